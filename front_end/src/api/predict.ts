import type { CandidateMask, PredictRequest } from 'src/types/prompt'

import { requestJson } from './request'

/** Asks which objects the prompts may mean, best first. */
export async function predictMasks(
  request: PredictRequest,
  signal: AbortSignal,
): Promise<CandidateMask[]> {
  const reply = await requestJson<{ masks: CandidateMask[] }>('/predict', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(request),
    signal,
  })
  return reply.masks
}
