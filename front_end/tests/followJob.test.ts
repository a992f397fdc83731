import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { followJob } from 'src/composables/followJob'

const CONNECTING = 0
const CLOSED = 2
const RUNNING = { job: 'a', state: 'running', progress: 0.5 }
const DONE = { job: 'a', state: 'done', progress: 1 }

/** A stream whose events the test sends. */
class FakeEvents extends EventTarget {
  static opened: FakeEvents[] = []
  readyState = 1
  isClosed = false

  constructor(readonly url: string) {
    super()
    FakeEvents.opened.push(this)
  }

  close(): void {
    this.isClosed = true
  }

  send(kind: string, job: object): void {
    this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(job) }))
  }

  fail(readyState: number): void {
    this.readyState = readyState
    this.dispatchEvent(new Event('error'))
  }
}

function options() {
  return { onUpdate: vi.fn(), onTrouble: vi.fn(), wait: () => Promise.resolve() }
}

function stubPolling() {
  const fetched = vi.fn(() => Promise.resolve(new Response(JSON.stringify(DONE))))
  vi.stubGlobal('fetch', fetched)
  return fetched
}

describe('followJob', () => {
  beforeEach(() => {
    FakeEvents.opened = []
    vi.stubGlobal('EventSource', FakeEvents)
  })
  afterEach(() => vi.unstubAllGlobals())

  it('listens until the job has ended and asks for nothing', async () => {
    const fetched = stubPolling()
    const used = options()
    const following = followJob('a', used)
    const [events] = FakeEvents.opened
    expect(events!.url).toBe('/jobs/a/events')
    events!.send('progress', RUNNING)
    events!.send('end', DONE)
    expect(await following).toEqual(DONE)
    expect(used.onUpdate.mock.calls).toEqual([[RUNNING], [DONE]])
    expect(events!.isClosed).toBe(true)
    expect(fetched).not.toHaveBeenCalled()
  })

  it('asks where the server has no room for another stream', async () => {
    const fetched = stubPolling()
    const following = followJob('a', options())
    FakeEvents.opened[0]!.fail(CLOSED)
    expect(await following).toEqual(DONE)
    expect(fetched).toHaveBeenCalledOnce()
  })

  it('waits while the browser connects again, but not for ever', async () => {
    const fetched = stubPolling()
    const following = followJob('a', options())
    const [events] = FakeEvents.opened
    for (let round = 0; round < 5; round += 1) {
      events!.fail(CONNECTING)
      events!.fail(CONNECTING)
      events!.dispatchEvent(new Event('open'))
    }
    expect(fetched).not.toHaveBeenCalled()
    for (let failure = 0; failure < 4; failure += 1) events!.fail(CONNECTING)
    expect(await following).toEqual(DONE)
    expect(fetched).toHaveBeenCalledOnce()
  })

  it('keeps one stream open at a time, because browsers open few connections', async () => {
    stubPolling()
    const first = followJob('a', options())
    expect(await followJob('b', options())).toEqual(DONE)
    expect(FakeEvents.opened).toHaveLength(1)
    FakeEvents.opened[0]!.send('end', DONE)
    await first
    const third = followJob('c', options())
    expect(FakeEvents.opened).toHaveLength(2)
    FakeEvents.opened[1]!.send('end', DONE)
    await third
  })

  it('asks in a browser without events', async () => {
    vi.stubGlobal('EventSource', undefined)
    const fetched = stubPolling()
    expect(await followJob('a', options())).toEqual(DONE)
    expect(fetched).toHaveBeenCalledOnce()
  })
})
