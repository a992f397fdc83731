import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { useJob } from 'src/composables/useJob'
import { useJobsStore } from 'src/stores/jobs'
import { useNoticesStore } from 'src/stores/notices'
import { useRastersStore } from 'src/stores/rasters'
import { useSegmentationStore } from 'src/stores/segmentation'
import { useViewStore } from 'src/stores/view'
import type { RasterMeta } from 'src/types/raster'

const PARAMETERS = {
  parameters: [
    {
      name: 'points_per_side',
      type: 'integer',
      default: 32,
      minimum: 1,
      maximum: 128,
      description: '',
    },
    {
      name: 'box_nms_thresh',
      type: 'number',
      default: 0.7,
      minimum: 0,
      maximum: 1,
      description: '',
    },
  ],
  presets: { standard: {}, fine: { points_per_side: 48 }, fast: { points_per_side: 16 } },
}
const CHECKPOINTS = [
  { name: 'sam_vit_h', available: false, embedded: false },
  { name: 'tiny', available: true, embedded: true },
]
const BANDS = [1, 2, 3, 4].map((index) => ({ index, color: null }))
const RGB = { r: 1, g: 2, b: 3 }
const META = { raster: 'a.tif', width: 100, height: 80, band_count: 4, bands: BANDS }

let result: object | null
let jobStates: string[]
const posted: { headers: Headers; body: Record<string, unknown> }[] = []

function describeJob(): object {
  const state = jobStates.shift() ?? 'done'
  const error = state === 'failed' ? { error: 'checkpoint_missing', message: 'Damaged.' } : null
  return { job: 'j1', raster: 'a.tif', state, error }
}

/** What a server with one raster replies, by the beginning of the path. */
const REPLIES: [path: string, reply: () => object][] = [
  ['/rasters', () => ({ rasters: [{ ...META, uploaded: 'now', result }] })],
  ['/raster_meta', () => META],
  ['/tiles/', () => ({ space: 'pixel', tiles: ['/tiles/a/{z}/{x}/{y}.png'] })],
  ['/checkpoints', () => CHECKPOINTS],
  ['/segment_parameters', () => PARAMETERS],
  ['/jobs/', describeJob],
  ['/jobs', () => ({ jobs: [{ job: 'j1', kind: 'segment', raster: 'a.tif', state: 'running' }] })],
]

/** Replies like the server; what is posted is kept. */
function answer(path: string, init: RequestInit = {}): object {
  const reply = REPLIES.find(([beginning]) => path.startsWith(beginning))?.[1]
  if (reply) return reply()
  posted.push({ headers: new Headers(init.headers), body: JSON.parse(String(init.body)) })
  return { job: 'j1', state: 'queued' }
}

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
  result = null
  jobStates = []
  posted.length = 0
  vi.stubGlobal('fetch', (path: string, init?: RequestInit) =>
    Promise.resolve(new Response(JSON.stringify(answer(path, init)), { status: 200 })),
  )
})
afterEach(() => vi.unstubAllGlobals())

describe('a run', () => {
  it('sends the bands that are shown, the window and the parameters', async () => {
    await useRastersStore().restore()
    await useSegmentationStore().load()
    useSegmentationStore().usePreset('fine')
    useViewStore().settings.bands = { r: 4, g: 3, b: 2 }
    useViewStore().settings.window = { col: 5, row: 6, width: 20, height: 10 }
    await useJob().start()
    expect(posted[0]?.headers.get('Prefer')).toBe('respond-async')
    expect(posted[0]?.body).toEqual({
      raster: 'a.tif',
      rgb_index: [4, 3, 2],
      checkpoint: 'tiny',
      window: [5, 6, 20, 10],
      points_per_side: 48,
      box_nms_thresh: 0.7,
    })
  })

  it('sends full cover and ground resolution only when they are set', async () => {
    await useRastersStore().restore()
    await useSegmentationStore().load()
    useSegmentationStore().fullCover = true
    useViewStore().settings.resolutionM = 2.5
    await useJob().start()
    expect(posted[0]?.body).toMatchObject({ full_cover: true, resolution_m: 2.5 })
  })

  it('sends the area of interest only when there is one', async () => {
    await useRastersStore().restore()
    await useSegmentationStore().load()
    await useJob().start()
    expect(posted[0]?.body).not.toHaveProperty('area')
    const area = { type: 'Polygon' as const, coordinates: [[[1, 2], [3, 2], [3, 4], [1, 2]]] } // prettier-ignore
    useViewStore().settings.area = area
    await vi.waitFor(() => expect(useJob().canStart.value).toBe(true))
    await useJob().start()
    expect(posted[1]?.body.area).toEqual(area)
  })

  it('is done only when the result is known', async () => {
    await useRastersStore().restore()
    result = { job: 'j1', n_objects: 3 }
    await useJobsStore().follow('j1', 'a.tif')
    expect(useJobsStore().byRaster['a.tif']?.state).toBe('done')
    expect(useRastersStore().result?.n_objects).toBe(3)
  })

  it('that failed is no result', async () => {
    jobStates = ['failed']
    await useRastersStore().restore()
    await useJobsStore().follow('j1', 'a.tif')
    expect(useJobsStore().byRaster['a.tif']?.state).toBe('failed')
    expect(useNoticesStore().notice?.message).toBe('Damaged.')
    expect(useRastersStore().result).toBeNull()
  })

  it('is found again after a reload', async () => {
    await useRastersStore().restore()
    await useJobsStore().restore()
    await vi.waitFor(() => expect(useJobsStore().byRaster['a.tif']?.state).toBe('done'))
  })
})

describe('choices', () => {
  it('come back per raster', async () => {
    await useRastersStore().restore()
    useViewStore().settings.bands = { r: 2, g: 2, b: 2 }
    useViewStore().settings.opacity = 0.2
    await vi.waitFor(() => expect(localStorage.getItem('rs.view')).toContain('0.2'))
    setActivePinia(createPinia())
    await useRastersStore().restore()
    expect(useViewStore().settings).toMatchObject({ bands: { r: 2, g: 2, b: 2 }, opacity: 0.2 })
  })

  it('of full cover come back', async () => {
    await useSegmentationStore().load()
    expect(useSegmentationStore().fullCover).toBe(false)
    useSegmentationStore().fullCover = true
    await vi.waitFor(() => expect(localStorage.getItem('rs.segmentation')).toContain('true'))
    setActivePinia(createPinia())
    await useSegmentationStore().load()
    expect(useSegmentationStore().fullCover).toBe(true)
  })

  it.each([
    [true, 2.5],
    [false, null],
  ])('of metres come back where georeferenced is %s', async (georeferenced, expected) => {
    localStorage.setItem('rs.view', JSON.stringify({ 'a.tif': { bands: RGB, resolutionM: 2.5 } }))
    setActivePinia(createPinia())
    useViewStore().restore({ ...META, georeferenced } as RasterMeta)
    expect(useViewStore().settings.resolutionM).toBe(expected)
  })

  it('that no longer fit are dropped', async () => {
    const stored = { 'a.tif': { bands: { r: 7, g: 2, b: 1 }, stretch: 'none', window: null } }
    localStorage.setItem('rs.view', JSON.stringify(stored))
    localStorage.setItem(
      'rs.segmentation',
      JSON.stringify({ checkpoint: 'sam_vit_h', values: { points_per_side: 5000, gone: 1 } }),
    )
    setActivePinia(createPinia())
    await useRastersStore().restore()
    await useSegmentationStore().load()
    expect(useViewStore().settings.bands).toEqual({ r: 1, g: 2, b: 3 })
    expect(useSegmentationStore().values).toEqual({ points_per_side: 32, box_nms_thresh: 0.7 })
    expect(useSegmentationStore().checkpoint).toBe('tiny')
  })

  it('know the preset they equal, from quick to thorough', async () => {
    const segmentation = useSegmentationStore()
    await segmentation.load()
    expect(segmentation.presetNames).toEqual(['fast', 'standard', 'fine'])
    expect(segmentation.preset).toBe('standard')
    segmentation.values.points_per_side = 16
    expect(segmentation.preset).toBe('fast')
    segmentation.values.points_per_side = 17
    expect(segmentation.preset).toBeUndefined()
  })
})

describe('notices', () => {
  it('do not call a cancelled action an error', () => {
    useNoticesStore().report(new DOMException('Cancelled.', 'AbortError'))
    expect(useNoticesStore().notice).toBeNull()
  })
})
