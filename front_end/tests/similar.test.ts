import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { Quasar, QSlider } from 'quasar'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import SelectionBar from 'src/components/annotations/SelectionBar.vue'
import SimilarPanel from 'src/components/annotations/SimilarPanel.vue'
import { useLayerKeys } from 'src/composables/useLayerKeys'
import { i18n } from 'src/i18n'
import { useEditingStore } from 'src/stores/editing'
import { useJobsStore } from 'src/stores/jobs'
import { useLayerStore } from 'src/stores/layer'
import { useNoticesStore } from 'src/stores/notices'
import { usePanelStore } from 'src/stores/panel'
import { useRastersStore } from 'src/stores/rasters'
import { useSimilarStore } from 'src/stores/similar'
import { useViewStore } from 'src/stores/view'
import type { RasterMeta, RasterSummary, TileJson } from 'src/types/raster'

import { FakeLayer, refusal } from './fakeLayer'

const global = { plugins: [Quasar, i18n] as [typeof Quasar, typeof i18n] }
const GEOMETRY = { type: 'Polygon', coordinates: [[[0, 0], [2, 0], [2, 2], [0, 0]]] } // prettier-ignore
const RATING = { checkpoint: null, predicted_iou: null, stability_score: null }
const RESULT = { result_number: 2, ids: [8, 5, 9, 4], scores: [0.9, 0.8, 0.4, 0.1], n_alike: 2 }
const DONE = { job: 'j', kind: 'similar', state: 'done', progress: 1, step: null, error: null, result: RESULT } // prettier-ignore
const RUNNING = { ...DONE, state: 'running', progress: 0.5, step: 'comparing objects', result: null } // prettier-ignore

let server: FakeLayer
/** What was asked beside the layer, as "POST /objects". */
let asked: string[]
let bodies: Record<string, unknown>[]
/** What the next searches and looks at a job are answered with. */
let answers: (object | Response)[]

function reply(content: object): Response {
  return content instanceof Response ? content : new Response(JSON.stringify(content))
}

function describeObjects(ids: number[]): object {
  const features = ids.map((id) => ({ type: 'Feature', geometry: GEOMETRY, properties: { id } }))
  return { type: 'FeatureCollection', features }
}

function answer(path: string, method: string, body: Record<string, unknown>): object {
  if (path === '/objects') return describeObjects(body.ids as number[])
  if (path === '/annotations/similar') bodies.push(body)
  return method === 'DELETE' ? {} : (answers.shift() ?? DONE)
}

function fetchFake(path: string, init: RequestInit = {}): Promise<Response> {
  const isOurs = /^\/(annotations\/similar|objects|jobs)/.test(path)
  if (!isOurs) return server.fetch(path, init)
  const { method = 'GET', body = '{}' } = init
  asked.push(`${method} ${path}`)
  const sent = JSON.parse(String(body)) as Record<string, unknown>
  return Promise.resolve(reply(answer(path, method, sent)))
}

function segment(job: string): void {
  useRastersStore().list = [{ raster: 'a.tif', result: { job } } as RasterSummary]
}

beforeEach(async () => {
  localStorage.clear()
  setActivePinia(createPinia())
  i18n.global.locale.value = 'en'
  server = new FakeLayer()
  server.revision = 1
  ;[asked, bodies, answers] = [[], [], []]
  for (const name of ['roof', 'roof', 'pool']) {
    server.add({ geometry: GEOMETRY, class: name, source: 'drawn', ...RATING })
  }
  vi.stubGlobal('fetch', fetchFake)
  useRastersStore().tileJson = { space: 'map' } as TileJson
  useRastersStore().selected = 'a.tif'
  useRastersStore().meta = { raster: 'a.tif' } as RasterMeta
  segment('s1')
  useViewStore().visible = { col: 4, row: 5, width: 60, height: 70 }
  usePanelStore().tab = 'objects'
  useEditingStore()
  await vi.waitFor(() => expect(useLayerStore().state).toBe('ready'))
  useEditingStore().use('select')
  useEditingStore().select([1, 2])
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('a search', () => {
  it('sends the examples, the view and the bands, and reads the outlines once', async () => {
    const similar = useSimilarStore()
    await similar.open()
    expect(bodies).toEqual([
      {
        raster: 'a.tif',
        objects: [
          { id: 1, revision: 1 },
          { id: 2, revision: 1 },
        ],
        window: [4, 5, 60, 70],
        rgb_index: [1, 2, 3],
      },
    ])
    expect([similar.count, similar.maximum, similar.keptIds]).toEqual([2, 4, [8, 5]])
    similar.count = 3
    expect(similar.candidates.map((item) => item.feature.properties.id)).toEqual([8, 5, 9])
    expect(asked).toEqual(['POST /annotations/similar', 'POST /objects'])
  })

  it('shows one object where none is alike', async () => {
    answers = [{ ...DONE, result: { ...RESULT, n_alike: 0 } }]
    await useSimilarStore().open()
    expect(useSimilarStore().keptIds).toEqual([8])
  })

  it('goes over the whole raster where that is chosen, or the view is unknown', async () => {
    const similar = useSimilarStore()
    await similar.open()
    similar.scope = 'raster'
    await vi.waitFor(() => expect(similar.state).toBe('ready'))
    similar.scope = 'view'
    await vi.waitFor(() => expect(similar.state).toBe('ready'))
    useViewStore().visible = null
    expect(similar.scope).toBe('raster')
    await similar.search()
    const view = [4, 5, 60, 70]
    expect(bodies.map((body) => body.window)).toEqual([view, null, view, null])
  })

  it('is followed as a job', async () => {
    vi.useFakeTimers()
    answers = [{ ...RUNNING, state: 'queued' }, RUNNING]
    const similar = useSimilarStore()
    const opened = similar.open()
    await vi.advanceTimersByTimeAsync(500)
    expect(similar.job?.progress).toBe(0.5)
    await vi.advanceTimersByTimeAsync(1000)
    await opened
    expect(similar.keptIds).toEqual([8, 5])
    expect(asked).toEqual([
      'POST /annotations/similar',
      'GET /jobs/j',
      'GET /jobs/j',
      'POST /objects',
    ])
  })

  it('is cancelled on the server where it is given up', async () => {
    vi.useFakeTimers()
    answers = [RUNNING, RUNNING, { ...RUNNING, state: 'cancelled' }]
    const similar = useSimilarStore()
    const opened = similar.open()
    await vi.advanceTimersByTimeAsync(500)
    similar.close()
    await vi.advanceTimersByTimeAsync(1000)
    await opened
    expect(asked.filter((item) => item.startsWith('DELETE'))).toEqual(['DELETE /jobs/j'])
    expect(asked).not.toContain('POST /objects')
    expect([similar.isOpen, similar.state]).toEqual([false, 'idle'])
  })

  it('is cancelled too where its id was not known yet', async () => {
    vi.useFakeTimers()
    answers = [RUNNING, { ...RUNNING, state: 'cancelled' }]
    const opened = useSimilarStore().open()
    useSimilarStore().close()
    await opened
    expect(asked).toContain('DELETE /jobs/j')
  })

  it('tells what went wrong', async () => {
    const similar = useSimilarStore()
    answers = [{ ...DONE, state: 'failed', result: null, error: { error: 'bad_parameter', message: 'None there.', field: 'window' } }] // prettier-ignore
    await similar.open()
    expect([similar.isOpen, similar.state]).toEqual([true, 'failed'])
    expect(useNoticesStore().notice?.message).toBe('None there.')
    answers = [refusal(409, 'conflict')]
    server.change(1, { class: 'pool' })
    await similar.search()
    expect(useNoticesStore().notice?.code).toBe('conflict')
    await similar.search()
    expect(bodies.at(-1)?.objects).toContainEqual({ id: 1, revision: 2 })
    expect([similar.state, useNoticesStore().notice]).toEqual(['ready', null])
  })
})

describe('what was found', () => {
  it('is kept without what was left out, under the class of the examples', async () => {
    const similar = useSimilarStore()
    await similar.open()
    similar.count = 4
    similar.toggle(5)
    similar.toggle(9)
    similar.toggle(9)
    expect(similar.candidates.map((item) => item.isLeftOut)).toEqual([false, true, false, false])
    await similar.keep()
    expect(server.sent).toEqual([
      {
        path: '/annotations/promote',
        body: { raster: 'a.tif', ids: [8, 9, 4], class: 'roof', result_number: 2 },
      },
    ])
    expect(similar.isOpen).toBe(false)
    expect(useLayerStore().objects).toHaveLength(6)
  })

  it('gets no class from examples of several', async () => {
    useEditingStore().select([1, 3])
    await useSimilarStore().open()
    await useSimilarStore().keep()
    expect(server.sent[0]?.body.class).toBeNull()
  })

  it('stays to be kept where the server does not take it', async () => {
    await useSimilarStore().open()
    server.failures = [refusal(503, 'busy')]
    await useSimilarStore().keep()
    expect(useSimilarStore().keptIds).toEqual([8, 5])
  })

  it('is dropped with its examples, its result, its raster and the mode', async () => {
    const similar = useSimilarStore()
    const ends = [
      () => useEditingStore().select([2]),
      () => segment('s2'),
      () => useEditingStore().use(null),
      () => (useRastersStore().meta = { raster: 'b.tif' } as RasterMeta),
    ]
    for (const end of ends) {
      await similar.open()
      expect(similar.isOpen).toBe(true)
      end()
      await nextTick()
      expect([similar.isOpen, similar.candidates]).toEqual([false, []])
    }
  })
})

describe('the button', () => {
  it('is off with its reason', async () => {
    const wrapper = mount(SelectionBar, { global })
    const button = wrapper.get('[data-test=edit-similar]')
    const isOff = () => button.attributes('disabled') !== undefined
    expect(isOff()).toBe(false)
    useEditingStore().select([])
    await nextTick()
    expect([isOff(), button.attributes('aria-label')]).toEqual([
      true,
      'Find similar objects: select 1 to 50 examples first',
    ])
    useRastersStore().list = []
    await nextTick()
    expect(button.attributes('aria-label')).toContain('run a segmentation first')
    await useSimilarStore().open()
    expect(asked).toEqual([])
  })

  it('takes no more than 50 examples', async () => {
    for (let count = 0; count < 50; count += 1) {
      server.add({ geometry: GEOMETRY, class: null, source: 'drawn', ...RATING })
    }
    await useLayerStore().load()
    const ids = useLayerStore().objects.map((item) => item.properties.id)
    useEditingStore().select(ids.slice(0, 50))
    expect(useSimilarStore().obstacle).toBeNull()
    useEditingStore().select(ids.slice(0, 51))
    expect(useSimilarStore().obstacle).toBe('tooManyExamples')
  })
})

describe('SimilarPanel', () => {
  it('counts, and follows the slider', async () => {
    await useSimilarStore().open()
    const wrapper = mount(SimilarPanel, { global })
    const status = wrapper.get('[data-test=similar-status]')
    expect(status.text()).toBe('2 objects like the 2 examples')
    wrapper.getComponent(QSlider).vm.$emit('update:modelValue', 1)
    await nextTick()
    expect(status.text()).toBe('1 object like the 2 examples')
    useSimilarStore().toggle(8)
    await nextTick()
    expect(status.text()).toBe('no objects like the 2 examples')
    expect(wrapper.get('[data-test=similar-keep]').attributes('disabled')).toBeDefined()
    expect(wrapper.get('[data-test=similar-hint]').text()).toContain('you decide')
    i18n.global.locale.value = 'zh-CN'
    await nextTick()
    expect(status.text()).toBe('与所选的 2 个示例相似：没有对象')
  })

  it('searches again in the whole raster, keeps and closes', async () => {
    await useSimilarStore().open()
    const wrapper = mount(SimilarPanel, { global })
    await wrapper.findAll('[data-test=similar-scope] button')[1]!.trigger('click')
    await vi.waitFor(() => expect(useSimilarStore().state).toBe('ready'))
    expect(bodies.at(-1)?.window).toBeNull()
    await wrapper.get('[data-test=similar-again]').trigger('click')
    await vi.waitFor(() => expect(useSimilarStore().state).toBe('ready'))
    expect(bodies).toHaveLength(3)
    await wrapper.get('[data-test=similar-keep]').trigger('click')
    await vi.waitFor(() => expect(useSimilarStore().isOpen).toBe(false))
    expect(server.sent[0]?.body.ids).toEqual([8, 5])
  })

  it('tells the step in the language of the page, and cancels', async () => {
    vi.useFakeTimers()
    answers = [RUNNING, RUNNING, { ...RUNNING, state: 'cancelled' }]
    i18n.global.locale.value = 'zh-CN'
    const opened = useSimilarStore().open()
    const wrapper = mount(SimilarPanel, { global })
    await vi.advanceTimersByTimeAsync(100)
    expect(wrapper.get('[data-test=similar-progress]').text()).toContain('正在比较对象')
    await wrapper.get('[data-test=similar-cancel]').trigger('click')
    expect(wrapper.get('[data-test=similar-status]').text()).toBe('已取消')
    await vi.advanceTimersByTimeAsync(1000)
    await opened
    expect(asked).toContain('DELETE /jobs/j')
  })
})

describe('the keys', () => {
  const shape = { finish: vi.fn(), giveUp: vi.fn(), undoStep: vi.fn(), removeCorner: vi.fn() }
  const press = (key: string) => window.dispatchEvent(new KeyboardEvent('keydown', { key }))

  it('open and close, and leave the examples alone meanwhile', async () => {
    const wrapper = mount({ setup: () => useLayerKeys(shape), template: '<i />' }, { global })
    const similar = useSimilarStore()
    press('f')
    await vi.waitFor(() => expect(similar.state).toBe('ready'))
    press('Delete')
    press('2')
    press('m')
    expect(server.sent).toEqual([])
    press('Escape')
    expect([similar.isOpen, useEditingStore().count]).toEqual([false, 2])
    wrapper.unmount()
  })
})

describe('the segmentations', () => {
  it('know nothing of searches', async () => {
    const segmentation = { ...RUNNING, kind: 'segment', job: 's', raster: 'b.tif' }
    const ended = { ...DONE, kind: 'segment', job: 's', raster: 'b.tif', state: 'cancelled' }
    answers = [{ jobs: [{ ...RUNNING, raster: 'a.tif' }, segmentation] }, ended]
    await useJobsStore().restore()
    expect(Object.keys(useJobsStore().byRaster)).toEqual(['b.tif'])
    expect(asked).toEqual(['GET /jobs', 'GET /jobs/s'])
  })
})
