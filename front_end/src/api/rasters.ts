import type { ObjectFeature } from 'src/types/object'
import type { RasterMeta, RasterSummary, RgbBands, Stretch, TileJson } from 'src/types/raster'

import { requestJson, withQuery } from './request'

export async function listRasters(): Promise<RasterSummary[]> {
  return (await requestJson<{ rasters: RasterSummary[] }>('/rasters')).rasters
}

export async function deleteRaster(raster: string): Promise<void> {
  await requestJson(`/rasters/${encodeURIComponent(raster)}`, { method: 'DELETE' })
}

export function readRasterMeta(raster: string): Promise<RasterMeta> {
  return requestJson<RasterMeta>(withQuery('/raster_meta', { raster }))
}

export function readTileJson(raster: string): Promise<TileJson> {
  return requestJson<TileJson>(`/tiles/${encodeURIComponent(raster)}/tilejson.json`)
}

/**
 * Address of the raster's tiles with the chosen bands.
 *
 * @param revision changes when the raster's pixels or georeferencing do, so that no stale tile is shown
 */
export function rasterTileUrl(
  tiles: string,
  bands: RgbBands,
  stretch: Stretch,
  revision: string,
): string {
  return withQuery(tiles, { ...bands, stretch, v: revision })
}

/** What of a result's classes is drawn; everything where nothing is said. */
export interface ShownClasses {
  min_probability?: number
  /** Ids of classes, with commas between. */
  hidden?: string
}

/** Address of the result's tiles; `job` tells the browser's cache one result from the next. */
export function maskTileUrl(raster: string, job: string, shown: ShownClasses = {}): string {
  const path = `/mask_tiles/${encodeURIComponent(raster)}/{z}/{x}/{y}.png`
  return withQuery(path, { alpha: 1, job, ...shown })
}

/** Asks which object lies at a position: lon/lat for space `map`, x right and y down for `pixel`. */
export async function readObject(
  raster: string,
  position: [number, number],
  space: 'map' | 'pixel',
  signal: AbortSignal,
): Promise<ObjectFeature | null> {
  const path = withQuery('/object', { raster, x: position[0], y: position[1], space })
  return (await requestJson<{ feature: ObjectFeature | null }>(path, { signal })).feature
}

export const DOWNLOAD_FORMATS = ['tif', 'gpkg', 'geojson', 'shp', 'coco'] as const
export type DownloadFormat = (typeof DOWNLOAD_FORMATS)[number]

export function downloadUrl(raster: string, format: DownloadFormat): string {
  return withQuery('/download', { raster, format })
}
