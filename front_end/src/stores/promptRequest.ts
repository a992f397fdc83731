import { predictMasks } from 'src/api/predict'
import { ApiError } from 'src/types/error'
import type { CandidateMask, PredictRequest, Prompts } from 'src/types/prompt'

import { currentPrompts, maskToRefine, type PromptHistory } from './promptHistory'

/** What a request says beside the prompts themselves. */
export type PromptContext = Pick<PredictRequest, 'raster' | 'rgb_index' | 'checkpoint' | 'space'>

/** Points outside alone say what is not meant; the network needs something that is. */
export function meansSomething({ points, box }: Prompts): boolean {
  return box !== null || points.some((point) => point.isInside)
}

/** The request for the current step of a history. */
export function describeRequest(history: PromptHistory, context: PromptContext): PredictRequest {
  const { points, box } = currentPrompts(history)
  const previous = maskToRefine(history)?.id ?? null
  return {
    ...context,
    points: points.map(({ x, y, isInside }) => [x, y, isInside ? 1 : 0]),
    box,
    previous,
    // A single click may mean a part or the whole; more prompts mean one thing.
    multimask: points.length === 1 && box === null && previous === null,
  }
}

/** Asks again without the mask to refine where the server no longer has it, for example after a restart. */
export async function predict(
  request: PredictRequest,
  signal: AbortSignal,
): Promise<CandidateMask[]> {
  try {
    return await predictMasks(request, signal)
  } catch (error) {
    const isForgotten = error instanceof ApiError && error.field === 'previous'
    if (request.previous === null || !isForgotten) throw error
    return predictMasks({ ...request, previous: null }, signal)
  }
}
