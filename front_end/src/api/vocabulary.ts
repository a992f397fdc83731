import type { Job } from 'src/types/job'
import type { ClassifyRequest, VocabularyInfo } from 'src/types/vocabulary'

import { requestJson } from './request'

export function readVocabulary(): Promise<VocabularyInfo> {
  return requestJson<VocabularyInfo>('/vocabulary')
}

/** Starts a classification as a job and returns its id at once. */
export async function startClassification(request: ClassifyRequest): Promise<string> {
  const reply = await requestJson<Pick<Job, 'job'>>('/classify', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Prefer: 'respond-async' },
    body: JSON.stringify(request),
  })
  return reply.job
}
