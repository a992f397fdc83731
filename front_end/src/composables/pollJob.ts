import { readJob } from 'src/api/jobs'
import { ApiError } from 'src/types/error'
import { isActive, type Job } from 'src/types/job'

const FIRST_DELAY_MS = 1000
const MAX_DELAY_MS = 5000
/** Jobs that end quickly are seen quickly; long ones are asked about less and less often. */
const PATIENT_POLLS = 15
const GROWTH = 1.25

export interface PollOptions {
  onUpdate: (job: Job) => void
  /** Told once about each trouble that is waited out, such as a server that restarts. */
  onTrouble: (error: ApiError) => void
  /** Waits; a parameter so that tests need no clock. */
  wait?: (milliseconds: number) => Promise<void>
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** Trouble that passes by itself: no connection, too many requests, a server that is restarting. */
function isPassing(error: unknown): error is ApiError {
  return (
    error instanceof ApiError &&
    (error.code === 'unreachable' || error.status === 429 || error.status >= 502)
  )
}

/**
 * Asks for a job until it has ended and returns its last state.
 *
 * @throws ApiError when the server refuses for good, for example because the job is unknown
 */
export async function pollJob(id: string, options: PollOptions): Promise<Job> {
  const wait = options.wait ?? sleep
  let delay = FIRST_DELAY_MS
  let troubled = false
  for (let polls = 1; ; polls += 1) {
    let pause = delay
    try {
      const job = await readJob(id)
      troubled = false
      options.onUpdate(job)
      if (!isActive(job)) return job
    } catch (error) {
      if (!isPassing(error)) throw error
      if (!troubled) options.onTrouble(error)
      troubled = true
      pause = Math.max(MAX_DELAY_MS, (error.retryAfterS ?? 0) * 1000)
    }
    await wait(pause)
    if (polls >= PATIENT_POLLS) delay = Math.min(MAX_DELAY_MS, delay * GROWTH)
  }
}
