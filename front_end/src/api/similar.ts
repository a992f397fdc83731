import type { Job } from 'src/types/job'
import type { ObjectFeature } from 'src/types/object'
import type { SimilarRequest } from 'src/types/similar'

import { requestJson } from './request'

/** Starts a search for objects like the examples, as a job that may be done at once. */
export function startSimilar(request: SimilarRequest): Promise<Job> {
  return requestJson<Job>('/annotations/similar', {
    method: 'POST',
    // The wait is told about, and can be ended.
    headers: { 'Content-Type': 'application/json', Prefer: 'respond-async' },
    body: JSON.stringify(request),
  })
}

/** Reads objects of a result by their ids; refused where the raster has been segmented anew since. */
export async function readObjects(
  raster: string,
  ids: number[],
  resultNumber: number,
): Promise<ObjectFeature[]> {
  const reply = await requestJson<{ features: ObjectFeature[] }>('/objects', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ raster, ids, result_number: resultNumber }),
  })
  return reply.features
}
