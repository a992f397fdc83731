import type { Job } from 'src/types/job'

import { requestJson } from './request'

export async function listJobs(): Promise<Job[]> {
  const reply = await requestJson<Job[] | { jobs: Job[] }>('/jobs')
  return Array.isArray(reply) ? reply : reply.jobs
}

export function readJob(id: string): Promise<Job> {
  return requestJson<Job>(`/jobs/${encodeURIComponent(id)}`)
}

export async function cancelJob(id: string): Promise<void> {
  await requestJson(`/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' })
}
