import type { Job } from 'src/types/job'
import type { Checkpoint, SegmentParameters, SegmentRequest } from 'src/types/segmentation'

import { requestJson } from './request'

export function listCheckpoints(): Promise<Checkpoint[]> {
  return requestJson<Checkpoint[]>('/checkpoints')
}

export function readSegmentParameters(): Promise<SegmentParameters> {
  return requestJson<SegmentParameters>('/segment_parameters')
}

/** Starts a segmentation as a job and returns its id at once. */
export async function startSegmentation(request: SegmentRequest): Promise<string> {
  const { parameters, ...rest } = request
  const reply = await requestJson<Pick<Job, 'job'>>('/segment', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Prefer: 'respond-async' },
    body: JSON.stringify({ ...parameters, ...rest }),
  })
  return reply.job
}
