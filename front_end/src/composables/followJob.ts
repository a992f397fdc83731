import { openJobEvents } from 'src/api/jobs'
import { isActive, type Job } from 'src/types/job'

import { pollJob, type PollOptions } from './pollJob'

/** One at a time: a stream holds one of the few connections a browser opens to a server, and tiles need the rest. */
let isStreaming = false
/** How often in a row connecting may fail. */
const PATIENT_FAILURES = 3
/** `EventSource.CLOSED`: the browser has given up. */
const CLOSED = 2

/**
 * Listens to a job's events; resolves with its last state, or with null where listening does not work and somebody
 * has to ask instead: the browser knows no events, the server has no room for another stream, or the network broke.
 */
function listen(id: string, onUpdate: (job: Job) => void): Promise<Job | null> {
  const events = isStreaming ? null : openJobEvents(id)
  if (events === null) return Promise.resolve(null)
  isStreaming = true
  return new Promise<Job | null>((resolve) => {
    let failures = 0
    function close(result: Job | null): void {
      events?.close()
      isStreaming = false
      resolve(result)
    }
    function take(event: MessageEvent<string>): void {
      const job = JSON.parse(event.data) as Job
      onUpdate(job)
      if (!isActive(job)) close(job)
    }
    events.addEventListener('open', () => {
      failures = 0
    })
    events.addEventListener('progress', take)
    events.addEventListener('end', take)
    // The browser connects again by itself after a stream that merely ended, not after a refusal; and where the server
    // is gone for longer, asking says so.
    events.addEventListener('error', () => {
      failures += 1
      if (events.readyState === CLOSED || failures > PATIENT_FAILURES) close(null)
    })
  })
}

/**
 * Follows a job until it has ended and returns its last state: by events where that works, else by asking.
 *
 * @throws ApiError when the server refuses for good, for example because the job is unknown
 */
export async function followJob(id: string, options: PollOptions): Promise<Job> {
  return (await listen(id, options.onUpdate)) ?? (await pollJob(id, options))
}
