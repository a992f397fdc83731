import type {
  Dataset,
  DatasetRequest,
  ReviewFilter,
  ReviewObject,
  ReviewPoint,
  ReviewProgress,
  ReviewedDataset,
  ReviewState,
} from 'src/types/dataset'

import { requestJson, withQuery } from './request'
import { postForm, type UploadOptions } from './upload'

function pathOf(id: string, rest = ''): string {
  return `/datasets/${encodeURIComponent(id)}${rest}`
}

export async function listDatasets(): Promise<Dataset[]> {
  return (await requestJson<{ datasets: Dataset[] }>('/datasets')).datasets
}

export function readDataset(id: string): Promise<ReviewedDataset> {
  return requestJson<ReviewedDataset>(pathOf(id))
}

/** Sends a zip archive of images and labels; the server builds the dataset as a job. */
export function createDataset(
  file: File,
  request: DatasetRequest,
  options: UploadOptions,
): Promise<Dataset> {
  const form = new FormData()
  form.append('format', request.format)
  form.append('prompt', request.prompt)
  form.append('constrain', String(request.constrain))
  if (request.classes.trim() !== '') form.append('classes', request.classes)
  form.append('file', file, file.name)
  return postForm<Dataset>('/datasets', form, options)
}

export async function deleteDataset(id: string): Promise<void> {
  await requestJson(pathOf(id), { method: 'DELETE' })
}

export function downloadUrl(id: string): string {
  return pathOf(id, '/download')
}

export function reportUrl(id: string): string {
  return pathOf(id, '/report')
}

export interface ObjectsPage {
  total: number
  objects: ReviewObject[]
}

/** Reads objects that nobody has decided about, lowest scores first. */
export function listOpenObjects(
  id: string,
  filter: ReviewFilter,
  page: { offset: number; limit: number },
): Promise<ObjectsPage> {
  const { gate, class: className } = filter
  const query = { state: 'open', order: 'score', gate, class: className ?? undefined, ...page }
  return requestJson<ObjectsPage>(withQuery(pathOf(id, '/objects'), query))
}

export interface DecisionReply {
  object: ReviewObject
  review: ReviewProgress
}

/** Sends a decision, or all clicks that correct the mask. */
export function decideObject(
  id: string,
  number: number,
  decision: { state: ReviewState } | { points: ReviewPoint[] },
): Promise<DecisionReply> {
  return requestJson<DecisionReply>(pathOf(id, `/objects/${number}`), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(decision),
  })
}

export function pictureUrl(id: string, object: ReviewObject, hasOutline: boolean): string {
  const path = pathOf(id, `/objects/${object.id}/picture`)
  return withQuery(path, { outline: String(hasOutline), v: object.revision })
}
