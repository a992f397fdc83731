import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { Quasar } from 'quasar'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import PromptJobStatus from 'src/components/annotations/PromptJobStatus.vue'
import SeriesBar from 'src/components/prompts/SeriesBar.vue'
import { useOneTool } from 'src/composables/useOneTool'
import { readToolKey, useToolKeys } from 'src/composables/useToolKeys'
import { i18n } from 'src/i18n'
import { useAnnotationsStore } from 'src/stores/annotations'
import { useBasemapStore } from 'src/stores/basemap'
import { useEditingStore } from 'src/stores/editing'
import { useImportsStore } from 'src/stores/imports'
import { useLayerStore } from 'src/stores/layer'
import { useMeasuringStore } from 'src/stores/measuring'
import { useNoticesStore } from 'src/stores/notices'
import { usePanelStore } from 'src/stores/panel'
import { usePromptJobsStore } from 'src/stores/promptJobs'
import { usePromptsStore } from 'src/stores/prompts'
import { useRastersStore } from 'src/stores/rasters'
import { useSeriesStore } from 'src/stores/series'
import { useViewStore } from 'src/stores/view'
import type { RasterMeta, TileJson } from 'src/types/raster'

import { FakeLayer, refusal } from './fakeLayer'

const global = { plugins: [Quasar, i18n] as [typeof Quasar, typeof i18n] }
const JOB = { job: 'j', kind: 'prompts', raster: 'a.tif', progress: 0.4, step: 'outlining objects', eta_s: null, error: null, result: null } // prettier-ignore
const RUNNING = { ...JOB, state: 'running' }
const RESULT = { raster: 'a.tif', n_prompts: 4, n_objects: 2, n_empty: 1, n_duplicates: 1, added: [1, 2], revision: 2 } // prettier-ignore
const DONE = { ...JOB, state: 'done', progress: 1, result: RESULT }
const SERIES = { space: 'pixel' as const, points: [[1, 2], [3, 4]] as [number, number][] } // prettier-ignore

let server: FakeLayer
/** What was asked beside the layer, as "POST /annotations/prompts". */
let asked: string[]
let bodies: Record<string, unknown>[]
/** What the next of these requests are answered with. */
let answers: (object | Response)[]

function fetchFake(path: string, init: RequestInit = {}): Promise<Response> {
  if (!/^\/(annotations\/prompts|annotations\/import\?.*as=|jobs|basemap)/.test(path)) {
    return server.fetch(path, init)
  }
  asked.push(`${init.method ?? 'GET'} ${path}`)
  if (typeof init.body === 'string') bodies.push(JSON.parse(init.body))
  const answer = init.method === 'DELETE' ? {} : (answers.shift() ?? DONE)
  return Promise.resolve(answer instanceof Response ? answer : new Response(JSON.stringify(answer)))
}

beforeEach(async () => {
  localStorage.clear()
  setActivePinia(createPinia())
  i18n.global.locale.value = 'en'
  server = new FakeLayer()
  server.revision = 1
  asked = []
  bodies = []
  answers = []
  vi.stubGlobal('fetch', fetchFake)
  useRastersStore().tileJson = { space: 'map' } as TileJson
  useRastersStore().meta = { raster: 'a.tif', width: 100, height: 80 } as RasterMeta
  await vi.waitFor(() => expect(useLayerStore().state).toBe('ready'))
})
afterEach(() => vi.unstubAllGlobals())

function drawSeries(points = SERIES.points): void {
  const series = useSeriesStore()
  series.use('line')
  series.isDrawn = true
  series.spacing = 10
  series.series = { ...SERIES, points }
}

describe('many prompts', () => {
  it('are sent with bands, space and class, and their objects join the layer', async () => {
    useAnnotationsStore().className = 'roof'
    drawSeries()
    server.revision = 2
    server.add({ geometry: { type: 'Polygon', coordinates: [] }, class: 'roof', source: 'prompt', checkpoint: 't', predicted_iou: 0.9, stability_score: null }) // prettier-ignore
    await useSeriesStore().send()
    const prompts = SERIES.points.map((point) => ({ point }))
    expect(bodies[0]).toMatchObject({ raster: 'a.tif', prompts, space: 'pixel', class: 'roof' })
    await vi.waitFor(() => expect(usePromptJobsStore().result).toEqual(RESULT))
    expect(useLayerStore().objects).toHaveLength(1)
    expect(useSeriesStore().isDrawn).toBe(false)
    // What was said is outdated by the next change.
    await useLayerStore().undo()
    await nextTick()
    expect(usePromptJobsStore().job).toBeNull()
  })

  it('are not sent where there are too many, or none', async () => {
    drawSeries(Array.from({ length: 5001 }, () => [1, 1]))
    expect(useSeriesStore().isTooMany).toBe(true)
    await useSeriesStore().send()
    drawSeries([])
    await useSeriesStore().send()
    expect(asked).toEqual([])
  })

  it('stay where the server refuses them', async () => {
    drawSeries()
    answers = [refusal(429, 'too_frequent')]
    await useSeriesStore().send()
    expect(useNoticesStore().notice?.code).toBe('too_frequent')
    expect(useSeriesStore().count).toBe(2)
    expect(usePromptJobsStore().isBusy).toBe(false)
  })

  it('are followed, cancelled and told about', async () => {
    drawSeries()
    answers = [RUNNING, RUNNING, { ...RUNNING, state: 'cancelled' }]
    await useSeriesStore().send()
    const wrapper = mount(SeriesBar, { global })
    expect(wrapper.get('[data-test=progress]').text()).toContain('Outlining objects')
    await wrapper.get('[data-test=cancel-button]').trigger('click')
    expect(asked).toContain('DELETE /jobs/j')
    await vi.waitFor(() => expect(usePromptJobsStore().isBusy).toBe(false), { timeout: 4000 })
    await nextTick()
    expect(wrapper.get('[data-test=progress]').text()).toContain('Cancelled')
    await wrapper.get('[data-test=prompt-job-dismiss]').trigger('click')
    expect(usePromptJobsStore().job).toBeNull()
  })

  it('are found again after a reload', async () => {
    answers = [{ jobs: [RUNNING, { ...RUNNING, kind: 'segment' }, { ...DONE, job: 'old' }] }, DONE]
    await usePromptJobsStore().restore()
    await vi.waitFor(() => expect(usePromptJobsStore().result).toEqual(RESULT))
    expect(asked).toEqual(['GET /jobs', 'GET /jobs/j'])
  })

  it('show what came of them, and a failure', async () => {
    drawSeries()
    await useSeriesStore().send()
    const wrapper = mount(PromptJobStatus, { global })
    await vi.waitFor(() => expect(wrapper.text()).toContain('2 objects added'))
    expect(wrapper.text()).toContain('1 without an object · 1 found twice')
    const error = { error: 'too_large', message: 'Too many corners.', field: null }
    answers = [{ ...JOB, state: 'failed', error }]
    drawSeries()
    await useSeriesStore().send()
    await vi.waitFor(() => expect(useNoticesStore().notice?.message).toBe('Too many corners.'))
  })
})

describe('a file with outlines', () => {
  const file = new File(['{}'], 'roofs.geojson')

  it('is taken as objects, or not at all', async () => {
    const imports = useImportsStore()
    imports.choose(file)
    imports.giveUp()
    await imports.take('objects')
    imports.choose(file)
    await imports.take('objects')
    expect(server.sent.map(({ path }) => path)).toEqual(['/annotations/import?raster=a.tif'])
  })

  it('is taken as prompts, with the bands that are shown and what is said about it', async () => {
    answers = [{ ...DONE, notes: ['Reprojected.'] }]
    useImportsStore().choose(file)
    await useImportsStore().take('boxes')
    expect(asked[0]).toBe('POST /annotations/import?raster=a.tif&as=boxes&r=1&g=2&b=3')
    await vi.waitFor(() => expect(usePromptJobsStore().notes).toEqual(['Reprojected.']))
    expect(usePromptJobsStore().result?.n_objects).toBe(2)
  })
})

describe('the basemap', () => {
  it('is offered where there is one, off until it is wanted, and remembered', async () => {
    answers = [
      { url: null, attribution: '' },
      { url: 'https://t/{z}/{x}/{y}', attribution: 'T' },
    ]
    const basemap = useBasemapStore()
    await basemap.load()
    expect(basemap.isOffered).toBe(false)
    await basemap.load()
    expect([basemap.isOffered, basemap.url, basemap.attribution]).toEqual([true, null, ''])
    basemap.isOn = true
    expect([basemap.url, basemap.attribution]).toEqual(['https://t/{z}/{x}/{y}', 'T'])
    useRastersStore().tileJson = { space: 'pixel' } as TileJson
    expect(basemap.url).toBeNull()
    await nextTick()
    setActivePinia(createPinia())
    expect(useBasemapStore().isOn).toBe(true)
  })
})

describe('the pointer', () => {
  it('does one thing at a time', async () => {
    const wrapper = mount({ setup: () => useOneTool(), template: '<i />' }, { global })
    const [prompts, view, editing] = [usePromptsStore(), useViewStore(), useEditingStore()]
    const [measuring, series] = [useMeasuringStore(), useSeriesStore()]
    const take = [
      () => (prompts.isActive = true),
      () => (view.drawing = 'window'),
      () => editing.use('select'),
      () => measuring.use('area'),
      () => series.use('line'),
      () => measuring.use('distance'),
    ]
    for (const act of take) {
      act()
      await nextTick()
      const inUse = [prompts.isActive, view.drawing, editing.tool, measuring.kind, series.kind]
      expect(inUse.filter(Boolean)).toHaveLength(1)
    }
    wrapper.unmount()
  })
})

describe('the keys', () => {
  const actions = () => ({ finish: vi.fn(), removeCorner: vi.fn(), giveUp: vi.fn() })
  const press = (key: string) =>
    window.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))

  it('mean what the page lists', () => {
    const read = (key: string, more: KeyboardEventInit = {}) =>
      readToolKey(new KeyboardEvent('keydown', { key, ...more }))
    expect(['L', 'g', 'p', 'd', 'a'].map((key) => read(key))).toEqual([
      'line',
      'polygon',
      'preview',
      'distance',
      'area',
    ])
    expect(read('a', { ctrlKey: true })).toBeNull()
    expect(read('q')).toBeNull()
  })

  it('are for the tool that is in use', async () => {
    const drawn = { series: actions(), measure: actions() }
    const wrapper = mount({ setup: () => useToolKeys(drawn), template: '<i />' }, { global })
    press('Escape')
    press('d')
    expect(useMeasuringStore().kind).toBe('distance')
    press('Escape')
    press('Backspace')
    expect(drawn.measure.giveUp).toHaveBeenCalledOnce()
    expect(drawn.measure.removeCorner).toHaveBeenCalledOnce()
    useMeasuringStore().use(null)
    press('l')
    expect(useSeriesStore().kind).toBeNull()
    usePanelStore().tab = 'objects'
    press('g')
    expect(useSeriesStore().kind).toBe('polygon')
    press('Enter')
    expect(drawn.series.finish).toHaveBeenCalledOnce()
    wrapper.unmount()
  })
})
