import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { readReviewKey } from 'src/composables/useReviewKeys'
import { describeReason, describeStep } from 'src/i18n/serverSentences'
import { useDatasetReviewStore } from 'src/stores/datasetReview'
import { useNoticesStore } from 'src/stores/notices'
import type { Dataset, ReviewObject, ReviewPoint, ReviewState } from 'src/types/dataset'

const DATASET = { id: 'd', name: 'a.zip' } as Dataset

interface Sent {
  state?: ReviewState
  points?: ReviewPoint[]
}

/** A server with so many objects, the first with the lowest score. */
class FakeReview {
  objects: ReviewObject[]
  sent: [id: number, decision: Sent][] = []
  refuses = false

  constructor(n: number) {
    this.objects = Array.from({ length: n }, (_, place) => ({
      id: place + 1,
      image: 'a.png',
      class: place % 2 ? 'bus' : 'car',
      predicted_iou: 0.5 + place / 1000,
      state: 'open',
      gate: null,
      is_corrected: false,
      points: [],
      revision: 0,
      view: [0, 0, 64, 64],
    }))
  }

  fetch = (path: string, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(path, 'http://server')
    return Promise.resolve(this.answer(url, init))
  }

  private answer(url: URL, init: RequestInit): Response {
    if (init.method === 'POST') return this.decide(Number(url.pathname.split('/').at(-1)), init)
    if (url.pathname.endsWith('/objects')) return this.list(url.searchParams)
    return Response.json({ ...DATASET, review: this.count() })
  }

  private list(query: URLSearchParams): Response {
    const wanted = query.get('class')
    const open = this.objects.filter(
      (item) => item.state === 'open' && (wanted === null || item.class === wanted),
    )
    const offset = Number(query.get('offset'))
    const objects = open.slice(offset, offset + Number(query.get('limit')))
    return Response.json({ total: open.length, objects })
  }

  private decide(id: number, init: RequestInit): Response {
    const decision = JSON.parse(String(init.body)) as Sent
    this.sent.push([id, decision])
    if (this.refuses) {
      return Response.json(
        { error: 'wrong_moment', message: 'No mask.', field: 'state' },
        { status: 409 },
      )
    }
    const before = this.objects[id - 1]!
    const points = decision.points ?? (decision.state === 'open' ? [] : before.points)
    const state = decision.state ?? 'accepted'
    const revision = before.revision + 1
    const object = { ...before, state, points, is_corrected: points.length > 0, revision }
    this.objects[id - 1] = object
    return Response.json({ object, review: this.count() })
  }

  private count() {
    const of = (state: ReviewState) => this.objects.filter((item) => item.state === state).length
    const [open, accepted, rejected] = [of('open'), of('accepted'), of('rejected')]
    return { open, accepted, rejected, gated: 0, corrected: 0, classes: { car: 1, bus: 1 } }
  }
}

async function openReview(n: number): Promise<FakeReview> {
  const server = new FakeReview(n)
  vi.stubGlobal('fetch', server.fetch)
  await useDatasetReviewStore().open(DATASET)
  return server
}

/** Waits until all requests that were sent have been answered. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve))
}

beforeEach(() => setActivePinia(createPinia()))

describe('a review', () => {
  it('goes through all objects, page by page, and keys need not wait', async () => {
    const server = await openReview(70)
    const review = useDatasetReviewStore()
    const seen: number[] = []
    for (let step = 0; step < 70; step += 1) {
      seen.push(review.current!.id)
      review.decide(step % 3 === 0 ? 'rejected' : 'accepted')
      if (step % 7 === 0) await settle()
    }
    await settle()
    expect(seen).toEqual(server.objects.map((item) => item.id))
    expect(server.sent.map(([id]) => id)).toEqual(seen)
    expect(review.current).toBeNull()
    expect([review.decided, review.total]).toEqual([70, 70])
  })

  it('takes decisions and clicks back, one by one', async () => {
    const server = await openReview(3)
    const review = useDatasetReviewStore()
    review.decide('accepted')
    await review.click([5, 6, 1])
    await review.click([7, 8, 0])
    expect(review.current!.points).toEqual([
      [5, 6, 1],
      [7, 8, 0],
    ])
    review.decide('rejected')
    await settle()
    expect(server.objects.map((item) => item.state)).toEqual(['accepted', 'rejected', 'open'])
    await review.undo()
    expect(server.objects[1]).toMatchObject({ state: 'accepted', is_corrected: true })
    await review.undo()
    expect(server.objects[1]!.points).toEqual([[5, 6, 1]])
    await review.undo()
    expect(server.objects[1]).toMatchObject({ state: 'open', points: [] })
    expect(review.current!.id).toBe(2)
    await review.undo()
    expect(review.current!.id).toBe(1)
    expect(server.objects[0]!.state).toBe('open')
    expect(review.canUndo).toBe(false)
  })

  it('shows what the server refuses as it was', async () => {
    const server = await openReview(2)
    const review = useDatasetReviewStore()
    server.refuses = true
    review.decide('accepted')
    expect(review.objects[0]!.state).toBe('accepted')
    await settle()
    expect(review.objects[0]!.state).toBe('open')
    expect(review.canUndo).toBe(false)
    expect(useNoticesStore().notice!.message).toBe('No mask.')
  })

  it('shows one class alone', async () => {
    await openReview(6)
    const review = useDatasetReviewStore()
    await review.choose({ class: 'bus' })
    expect(review.objects.map((item) => item.id)).toEqual([2, 4, 6])
    review.move(-1)
    expect(review.index).toBe(0)
  })
})

describe('keys of the review', () => {
  function press(key: string, options: KeyboardEventInit = {}, tag = 'div') {
    const target = document.createElement(tag)
    const event = new KeyboardEvent('keydown', { key, ...options })
    Object.defineProperty(event, 'target', { value: target })
    return readReviewKey(event)
  }

  it('have one meaning each', () => {
    expect(
      ['a', 'R', 'u', 'o', 'ArrowLeft', 'ArrowRight', 'Escape'].map((key) => press(key)),
    ).toEqual(['accept', 'reject', 'undo', 'outline', 'back', 'forward', 'close'])
  })

  it('leave fields and the browser alone', () => {
    expect(press('a', {}, 'input')).toBeNull()
    expect(press('r', { ctrlKey: true })).toBeNull()
    expect(press('x')).toBeNull()
  })
})

describe('sentences about datasets', () => {
  it('are told in both languages', () => {
    expect(describeReason('low_predicted_iou', 'en')).toBe('low predicted iou')
    expect(describeReason('low_predicted_iou', 'zh-CN')).toBe('预测 IoU 过低')
    expect(describeStep('image 3 of 20', 'zh-CN')).toBe('影像 3 / 20')
  })
})
