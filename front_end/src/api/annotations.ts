import type { EditRequest, LayerAnswer, LayerChanges } from 'src/types/annotation'

import { requestJson, withQuery } from './request'

function post(path: string, body: object): Promise<LayerAnswer> {
  return requestJson<LayerAnswer>(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
}

/** What has changed in a raster's layer after a revision; 0 asks for all of it. */
export function readLayer(raster: string, since: number): Promise<LayerAnswer> {
  return requestJson<LayerAnswer>(withQuery('/annotations', { raster, since }))
}

/** Makes changes as one step that can be undone; refused with `conflict` where an object was seen too long ago. */
export function changeLayer(raster: string, changes: LayerChanges): Promise<LayerAnswer> {
  return post('/annotations', { raster, ...changes })
}

export function editObjects(raster: string, request: EditRequest): Promise<LayerAnswer> {
  return post('/annotations/edit', { raster, ...request })
}

/** Takes the latest step back; refused with `conflict` where it came after the revision `since`. */
export function undoLayer(raster: string, since: number): Promise<LayerAnswer> {
  return post('/annotations/undo', { raster, since })
}

/** Does again what was undone last; see `undoLayer`. */
export function redoLayer(raster: string, since: number): Promise<LayerAnswer> {
  return post('/annotations/redo', { raster, since })
}

export function importObjects(raster: string, file: File): Promise<LayerAnswer> {
  const form = new FormData()
  form.append('file', file, file.name)
  const path = withQuery('/annotations/import', { raster })
  return requestJson<LayerAnswer>(path, { method: 'POST', body: form })
}

/**
 * Takes objects of the latest automatic result into the layer.
 *
 * @param ids of the result; null takes them all
 * @param className what they are called; null leaves them the class that the result gave them
 * @param resultNumber of the result that the ids belong to; refused where it is no longer the latest
 */
export function promoteObjects(
  raster: string,
  ids: number[] | null,
  className: string | null,
  resultNumber?: number,
): Promise<LayerAnswer> {
  const body = { raster, ids, class: className, result_number: resultNumber }
  return post('/annotations/promote', body)
}

export const ANNOTATION_FORMATS = [
  'geojson',
  'gpkg',
  'shp',
  'fgb',
  'coco',
  'labels',
  'classes',
  'stac',
] as const
export type AnnotationFormat = (typeof ANNOTATION_FORMATS)[number]

export function annotationsUrl(raster: string, format: AnnotationFormat): string {
  return withQuery('/annotations/download', { raster, format })
}
