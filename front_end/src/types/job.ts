import type { ErrorReply } from './error'

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

export interface Job {
  job: string
  kind: string
  raster: string
  state: JobState
  /** 0..1 */
  progress: number
  step: string | null
  created: string
  started: string | null
  finished: string | null
  eta_s: number | null
  error: ErrorReply | null
  result: Record<string, unknown> | null
}

/** Whether a job makes a result of its raster; others only look at one. */
export function isSegmentation(job: Job): boolean {
  return job.kind === 'segment' || job.kind === 'classify'
}

/** Whether a job outlines the objects of many prompts. */
export function isPrompting(job: Job): boolean {
  return job.kind === 'prompts'
}

export function isActive(job: Job): boolean {
  return job.state === 'queued' || job.state === 'running'
}
