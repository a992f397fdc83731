import type { PromptsJob, PromptsRequest, PromptShape } from 'src/types/series'

import { requestJson, withQuery } from './request'

// The wait is told about, and can be ended.
const AT_ONCE = { Prefer: 'respond-async' }

/** Outlines an object for each of many prompts, as a job that adds them to the layer at its end. */
export function startPrompts(request: PromptsRequest): Promise<PromptsJob> {
  return requestJson<PromptsJob>('/annotations/prompts', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...AT_ONCE },
    body: JSON.stringify(request),
  })
}

/** The same for the outlines of a file: the box around each, or a point inside it. */
export function startImportedPrompts(
  file: File,
  shape: PromptShape,
  context: Pick<PromptsRequest, 'raster' | 'rgb_index' | 'checkpoint'>,
): Promise<PromptsJob> {
  const { raster, checkpoint } = context
  const [r, g, b] = context.rgb_index
  const form = new FormData()
  form.append('file', file, file.name)
  const path = withQuery('/annotations/import', { raster, as: shape, r, g, b, checkpoint })
  return requestJson<PromptsJob>(path, { method: 'POST', headers: AT_ONCE, body: form })
}
