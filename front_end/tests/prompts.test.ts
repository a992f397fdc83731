import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import { useNoticesStore } from 'src/stores/notices'
import { usePromptsStore } from 'src/stores/prompts'
import { useRastersStore } from 'src/stores/rasters'
import { useSegmentationStore } from 'src/stores/segmentation'
import { useViewStore } from 'src/stores/view'
import type { PredictRequest } from 'src/types/prompt'
import type { RasterMeta, TileJson } from 'src/types/raster'

interface Asked {
  body: PredictRequest
  signal: AbortSignal
  reply: (status: number, body: object) => Promise<void>
}

/** Requests to `/predict` that wait for the test's reply. */
let asked: Asked[]

const INSIDE = { x: 10.5, y: 20, isInside: true }
const OUTSIDE = { x: 30, y: 5, isInside: false }

function candidates(...ids: string[]): object {
  const feature = { type: 'Feature', geometry: { type: 'Polygon', coordinates: [] } }
  return {
    masks: ids.map((id) => ({ id, predicted_iou: 0.9, area_px: 7, area_m2: 1.75, feature })),
  }
}

/** Lets everything run that waits for a reply already given. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
  await nextTick()
}

function answer(_path: string, init: RequestInit): Promise<Response> {
  return new Promise((resolve, reject) => {
    const signal = init.signal as AbortSignal
    signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')))
    const reply = async (status: number, body: object) => {
      resolve(new Response(JSON.stringify(body), { status }))
      await vi.waitFor(settle)
    }
    asked.push({ body: JSON.parse(String(init.body)), signal, reply })
  })
}

function showRaster(name: string, space: 'map' | 'pixel' = 'map'): void {
  const rasters = useRastersStore()
  rasters.tileJson = { space } as TileJson
  rasters.meta = { raster: name, width: 100, height: 80 } as RasterMeta
}

beforeEach(async () => {
  localStorage.clear()
  setActivePinia(createPinia())
  asked = []
  vi.stubGlobal('fetch', answer)
  showRaster('a.tif')
  useSegmentationStore().checkpoint = 'tiny'
  usePromptsStore()
  await nextTick()
})
afterEach(() => vi.unstubAllGlobals())

async function reply(index: number, ...ids: string[]): Promise<void> {
  await asked[index]!.reply(200, candidates(...ids))
  await vi.waitFor(settle)
}

describe('prompts', () => {
  it('ask for several masks at the first click', async () => {
    const prompts = usePromptsStore()
    prompts.addPoint(INSIDE)
    expect(prompts.state).toBe('loading')
    expect(asked[0]?.body).toEqual({
      raster: 'a.tif',
      rgb_index: [1, 2, 3],
      checkpoint: 'tiny',
      points: [[10.5, 20, 1]],
      box: null,
      previous: null,
      multimask: true,
      space: 'pixel',
    })
    await reply(0, 'm1', 'm2', 'm3')
    expect(prompts.state).toBe('ready')
    expect(prompts.mask?.id).toBe('m1')
  })

  it('refine the mask that was chosen', async () => {
    const prompts = usePromptsStore()
    prompts.addPoint(INSIDE)
    await reply(0, 'm1', 'm2', 'm3')
    prompts.chooseNext()
    expect(prompts.mask?.id).toBe('m2')
    prompts.addPoint(OUTSIDE)
    expect(prompts.mask?.id).toBe('m2')
    expect(asked[1]?.body).toMatchObject({
      points: [
        [10.5, 20, 1],
        [30, 5, 0],
      ],
      previous: 'm2',
      multimask: false,
    })
  })

  it('come round to the first candidate', async () => {
    const prompts = usePromptsStore()
    prompts.addPoint(INSIDE)
    await reply(0, 'm1', 'm2')
    prompts.chooseNext()
    prompts.chooseNext()
    expect(prompts.mask?.id).toBe('m1')
  })

  it('ask for one mask in a box', () => {
    usePromptsStore().setBox([1, 2, 30, 40])
    expect(asked[0]?.body).toMatchObject({ box: [1, 2, 30, 40], points: [], multimask: false })
  })

  it('wait for a point inside', () => {
    const prompts = usePromptsStore()
    prompts.addPoint(OUTSIDE)
    expect(asked).toHaveLength(0)
    expect(prompts.needsInside).toBe(true)
    prompts.addPoint(INSIDE)
    expect(asked[0]?.body.points).toHaveLength(2)
  })

  it('are asked about one at a time; the newest overtakes those between', async () => {
    const prompts = usePromptsStore()
    for (const x of [1, 2, 3]) prompts.addPoint({ x, y: 0, isInside: true })
    expect(asked).toHaveLength(1)
    await reply(0, 'old')
    expect(prompts.state).toBe('loading')
    expect(asked).toHaveLength(2)
    expect(asked[1]?.body).toMatchObject({ previous: 'old', multimask: false })
    expect(asked[1]?.body.points).toHaveLength(3)
    await reply(1, 'new')
    expect(prompts.mask?.id).toBe('new')
    expect(prompts.state).toBe('ready')
  })

  it('that were cleared take no late answer', async () => {
    const prompts = usePromptsStore()
    prompts.addPoint(INSIDE)
    prompts.clear()
    expect(asked[0]?.signal.aborted).toBe(true)
    prompts.addPoint(OUTSIDE)
    await reply(0, 'late')
    expect(prompts.mask).toBeNull()
    expect(useNoticesStore().notice).toBeNull()
  })

  it('go back to an answer without asking, and forward again', async () => {
    const prompts = usePromptsStore()
    prompts.addPoint(INSIDE)
    await reply(0, 'm1')
    prompts.addPoint(OUTSIDE)
    await reply(1, 'm2')
    prompts.undo()
    expect(prompts.mask?.id).toBe('m1')
    prompts.undo()
    expect([prompts.isEmpty, prompts.mask, prompts.state]).toEqual([true, null, 'idle'])
    prompts.redo()
    prompts.redo()
    expect(prompts.mask?.id).toBe('m2')
    expect(asked).toHaveLength(2)
  })

  it('that failed stay, say why, and can be tried again', async () => {
    const prompts = usePromptsStore()
    prompts.addPoint(INSIDE)
    await asked[0]!.reply(429, { error: 'too_frequent', message: 'Wait 2 s.', field: null })
    await vi.waitFor(() => expect(prompts.state).toBe('failed'))
    expect(useNoticesStore().notice?.message).toBe('Wait 2 s.')
    expect(prompts.prompts.points).toHaveLength(1)
    prompts.retry()
    expect(useNoticesStore().notice).toBeNull()
    await reply(1, 'm1')
    expect(prompts.state).toBe('ready')
  })

  it('do without a mask that the server has forgotten', async () => {
    const prompts = usePromptsStore()
    prompts.addPoint(INSIDE)
    await reply(0, 'm1')
    prompts.addPoint(OUTSIDE)
    const gone = { error: 'bad_parameter', message: 'No mask m1.', field: 'previous' }
    await asked[1]!.reply(404, gone)
    await vi.waitFor(() => expect(asked).toHaveLength(3))
    expect(asked[2]?.body).toMatchObject({ previous: null, multimask: false })
    await reply(2, 'm2')
    expect(prompts.mask?.id).toBe('m2')
  })

  it('are asked anew with other bands, and end with another raster', async () => {
    const prompts = usePromptsStore()
    prompts.addPoint(INSIDE)
    await reply(0, 'm1')
    useViewStore().settings.bands = { r: 3, g: 2, b: 1 }
    await nextTick()
    await vi.waitFor(() => expect(asked).toHaveLength(2))
    expect(asked[1]?.body).toMatchObject({ rgb_index: [3, 2, 1], previous: null })
    useViewStore().settings.bands = { r: 2, g: 2, b: 2 }
    showRaster('b.tif')
    await nextTick()
    expect(prompts.isEmpty).toBe(true)
    expect(asked).toHaveLength(2)
  })
})

describe('accepting', () => {
  it('takes the chosen mask and starts the next object', async () => {
    const prompts = usePromptsStore()
    prompts.addPoint(INSIDE)
    expect(prompts.take()).toBeNull()
    await reply(0, 'm1')
    const mask = prompts.take()
    expect(mask?.id).toBe('m1')
    expect(prompts.isEmpty).toBe(true)
  })
})
