import type { Job } from 'src/types/job'

import { requestJson } from './request'

export async function listJobs(): Promise<Job[]> {
  const reply = await requestJson<Job[] | { jobs: Job[] }>('/jobs')
  return Array.isArray(reply) ? reply : reply.jobs
}

export function readJob(id: string): Promise<Job> {
  return requestJson<Job>(`/jobs/${encodeURIComponent(id)}`)
}

/** The events of a job; null where the browser knows none. */
export function openJobEvents(id: string): EventSource | null {
  if (typeof EventSource === 'undefined') return null
  return new EventSource(`/jobs/${encodeURIComponent(id)}/events`)
}

/** Lets a job that failed or was cancelled run again, with the same request. */
export function retryJob(id: string): Promise<Job> {
  return requestJson<Job>(`/jobs/${encodeURIComponent(id)}/retry`, { method: 'POST' })
}

export async function cancelJob(id: string): Promise<void> {
  await requestJson(`/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' })
}
