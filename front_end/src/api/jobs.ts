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

export interface SharedLink {
  /** Path on this server; told only once. */
  url: string
  /** ISO 8601. */
  expires: string
}

/** Makes a link that lets anyone who has it download the result of a finished job. */
export function shareJob(id: string, expiresInS: number): Promise<SharedLink> {
  return requestJson<SharedLink>(`/jobs/${encodeURIComponent(id)}/share`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ expires_in_s: expiresInS }),
  })
}

/** Makes all links to a job useless; returns how many there were. */
export async function withdrawLinks(id: string): Promise<number> {
  const path = `/jobs/${encodeURIComponent(id)}/share`
  return (await requestJson<{ withdrawn: number }>(path, { method: 'DELETE' })).withdrawn
}
