import { afterEach, describe, expect, it, vi } from 'vitest'

import { pollJob } from 'src/composables/pollJob'

/** Answers one request after another; the last answer repeats. */
function stubAnswers(answers: { status: number; body: object; retryAfter?: string }[]): void {
  let index = 0
  vi.stubGlobal('fetch', () => {
    const { status, body, retryAfter } = answers[Math.min(index++, answers.length - 1)]!
    const headers = retryAfter ? { 'Retry-After': retryAfter } : undefined
    return Promise.resolve(new Response(JSON.stringify(body), { status, headers }))
  })
}

function options() {
  const waits: number[] = []
  const wait = (milliseconds: number) => {
    waits.push(milliseconds)
    return Promise.resolve()
  }
  return { onUpdate: vi.fn(), onTrouble: vi.fn(), wait, waits }
}

const RUNNING = { status: 200, body: { state: 'running', progress: 0.5 } }
const DONE = { status: 200, body: { state: 'done', progress: 1 } }

describe('pollJob', () => {
  afterEach(() => vi.unstubAllGlobals())

  it('follows a job to its end', async () => {
    stubAnswers([RUNNING, RUNNING, DONE])
    const used = options()
    expect((await pollJob('a', used)).state).toBe('done')
    expect(used.onUpdate).toHaveBeenCalledTimes(3)
    expect(used.waits).toEqual([1000, 1000])
  })

  it('asks less and less often about a long job, but at least every five seconds', async () => {
    stubAnswers([...Array.from({ length: 40 }, () => RUNNING), DONE])
    const used = options()
    await pollJob('a', used)
    expect(used.waits[0]).toBe(1000)
    expect(used.waits.at(-1)).toBe(5000)
  })

  it('waits as long as the server asks and tells of the trouble once', async () => {
    const busy = { error: 'too_frequent', message: 'Slow down.', field: null }
    stubAnswers([
      { status: 429, body: busy, retryAfter: '9' },
      { status: 429, body: busy, retryAfter: '9' },
      DONE,
    ])
    const used = options()
    await pollJob('a', used)
    expect(used.waits).toEqual([9000, 9000])
    expect(used.onTrouble).toHaveBeenCalledTimes(1)
  })

  it('gives up on a job that the server does not know', async () => {
    stubAnswers([
      { status: 404, body: { error: 'no_such_job', message: 'No such job.', field: null } },
    ])
    await expect(pollJob('a', options())).rejects.toMatchObject({ code: 'no_such_job' })
  })
})
