import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { Quasar } from 'quasar'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import ClassLegend from 'src/components/vocabulary/ClassLegend.vue'
import VocabularyPanel from 'src/components/vocabulary/VocabularyPanel.vue'
import { useClassify } from 'src/composables/useClassify'
import { useRaster } from 'src/composables/useRaster'
import { i18n } from 'src/i18n'
import { useExamplesStore } from 'src/stores/examples'
import { useJobsStore } from 'src/stores/jobs'
import { useLayerStore } from 'src/stores/layer'
import { useNoticesStore } from 'src/stores/notices'
import { useRastersStore } from 'src/stores/rasters'
import { useShownClassesStore } from 'src/stores/shownClasses'
import { useViewStore } from 'src/stores/view'
import { splitWords, useVocabularyStore } from 'src/stores/vocabulary'
import type { RasterMeta, RasterSummary, TileJson } from 'src/types/raster'
import type { ClassSummary, VocabularyInfo } from 'src/types/vocabulary'

import { FakeLayer, refusal } from './fakeLayer'

const global = { plugins: [Quasar, i18n] as [typeof Quasar, typeof i18n] }
const HOW = 'Download the weights of CLIP.'
const INFO: VocabularyInfo = {
  text_available: false,
  how: HOW,
  text_models: [],
  presets: [
    {
      name: 'loveda',
      title: 'LoveDA',
      classes: [
        { name: 'background', synonyms: [] },
        { name: 'water', synonyms: ['river', 'lake'] },
      ],
      background_threshold: 0.3,
      background: 'background',
      global_bias: -0.3,
    },
  ],
}
const CLASSES: ClassSummary[] = [
  { id: 1, name: 'roof', color: '#ff0000', n_pixels: 1200, share: 0.75, area_m2: 12_345 },
  { id: 2, name: 'lawn', color: '#00ff00', n_pixels: 400, share: 0.25, area_m2: null },
]

let server: FakeLayer
let info: VocabularyInfo
let sent: Record<string, unknown>[]
let answer: Response | object

function fetchFake(path: string, init: RequestInit = {}): Promise<Response> {
  if (path === '/vocabulary') return Promise.resolve(new Response(JSON.stringify(info)))
  if (path.startsWith('/jobs')) {
    const job = { job: 'j', raster: 'a.tif', state: 'cancelled', error: null }
    return Promise.resolve(new Response(JSON.stringify(job)))
  }
  if (path !== '/classify') return server.fetch(path, init)
  sent.push(JSON.parse(String(init.body)))
  return Promise.resolve(answer instanceof Response ? answer : new Response(JSON.stringify(answer)))
}

function show(result: object | null): void {
  const rasters = useRastersStore()
  rasters.list = [{ raster: 'a.tif', result, uploaded: 'now' } as unknown as RasterSummary]
}

beforeEach(async () => {
  localStorage.clear()
  setActivePinia(createPinia())
  i18n.global.locale.value = 'en'
  server = new FakeLayer()
  info = INFO
  sent = []
  answer = { job: 'j', state: 'queued' }
  vi.stubGlobal('fetch', fetchFake)
  const rasters = useRastersStore()
  rasters.tileJson = { space: 'pixel', tiles: ['/t'] } as unknown as TileJson
  rasters.meta = { raster: 'a.tif', width: 100, height: 80 } as RasterMeta
  rasters.selected = 'a.tif'
  rasters.state = 'ready'
  await vi.waitFor(() => expect(useLayerStore().state).toBe('ready'))
})
afterEach(() => vi.unstubAllGlobals())

/** Two classes with a click each. */
function showTwo(): [number, number] {
  const [vocabulary, examples] = [useVocabularyStore(), useExamplesStore()]
  const keys: [number, number] = [vocabulary.add('roof')!, vocabulary.add('lawn')!]
  keys.forEach((key, index) => {
    examples.activeKey = key
    examples.addPoint(10 * index, 5)
  })
  return keys
}

describe('the class list', () => {
  it('gives each class a name and colour of its own, and remembers them', async () => {
    const vocabulary = useVocabularyStore()
    vocabulary.add(' roof ')
    vocabulary.add('lawn', ['grass'])
    expect(vocabulary.add('roof')).toBeNull()
    expect(vocabulary.add(' ')).toBeNull()
    expect(vocabulary.classes.map(({ name }) => name)).toEqual(['roof', 'lawn'])
    expect(new Set(vocabulary.classes.map(({ color }) => color)).size).toBe(2)
    await nextTick()
    setActivePinia(createPinia())
    expect(useVocabularyStore().classes.map(({ synonyms }) => synonyms)).toEqual(['', 'grass'])
  })

  it('never gives the key of a class that is gone to another', async () => {
    const vocabulary = useVocabularyStore()
    const key = vocabulary.add('roof')!
    vocabulary.remove(key)
    await nextTick()
    setActivePinia(createPinia())
    expect(useVocabularyStore().add('lawn')).not.toBe(key)
  })

  it('splits synonyms at the commas of both languages', () => {
    expect(splitWords(' river, lake，湖、 ,')).toEqual(['river', 'lake', '湖'])
  })

  it('takes the classes of a data set, whose threshold goes with words alone', async () => {
    const vocabulary = useVocabularyStore()
    await vocabulary.load()
    vocabulary.usePreset('loveda')
    const classes = [{ name: 'background', synonyms: [] }, { name: 'water', synonyms: ['river', 'lake'] }] // prettier-ignore
    expect(vocabulary.describeRun()).toMatchObject({ prompt: 'examples', classes })
    expect(vocabulary.describeRun()).not.toHaveProperty('background_threshold')
    vocabulary.prompt = 'text'
    const decision = { background: 'background', background_threshold: 0.3, global_bias: -0.3 }
    expect(vocabulary.describeRun()).toMatchObject(decision)
    vocabulary.remove(vocabulary.classes[0]!.key)
    expect(vocabulary.describeRun()).not.toHaveProperty('background')
  })
})

describe('examples', () => {
  it('are clicks on the active class, in its colour, taken back one by one', () => {
    const [roof, lawn] = showTwo()
    const [vocabulary, examples] = [useVocabularyStore(), useExamplesStore()]
    expect(examples.points).toMatchObject([
      { x: 0, y: 5, color: vocabulary.classes[0]!.color },
      { x: 10, y: 5, color: vocabulary.classes[1]!.color },
    ])
    vocabulary.change(lawn, { color: '#123456' })
    expect(examples.points[1]!.color).toBe('#123456')
    examples.undo()
    expect([examples.countPoints(roof), examples.countPoints(lawn)]).toEqual([1, 0])
    expect(examples.missing.map(({ name }) => name)).toEqual(['lawn'])
    examples.clear()
    expect(examples.points).toEqual([])
    examples.activeKey = null
    examples.addPoint(1, 1)
    expect(examples.points).toEqual([])
  })

  it('belong to their raster and go with their class', async () => {
    const [roof] = showTwo()
    const [examples, rasters] = [useExamplesStore(), useRastersStore()]
    rasters.meta = { raster: 'b.tif', width: 9, height: 9 } as RasterMeta
    expect([examples.points.length, examples.isActive]).toEqual([0, false])
    rasters.meta = { raster: 'a.tif', width: 100, height: 80 } as RasterMeta
    expect(examples.points).toHaveLength(2)
    useVocabularyStore().remove(roof)
    expect(examples.points).toHaveLength(1)
    await nextTick()
    setActivePinia(createPinia())
    useRastersStore().meta = { raster: 'a.tif', width: 100, height: 80 } as RasterMeta
    expect(useExamplesStore().points).toHaveLength(1)
  })

  it('may be objects of the annotation layer that are called like the class', async () => {
    const [vocabulary, examples] = [useVocabularyStore(), useExamplesStore()]
    server.revision = 2
    server.add({ geometry: { type: 'Polygon', coordinates: [] }, class: 'roof', source: 'drawn', checkpoint: null, predicted_iou: null, stability_score: null }) // prettier-ignore
    await useLayerStore().load()
    expect(useLayerStore().objects).toHaveLength(1)
    const key = vocabulary.add('roof')!
    expect([examples.countObjects(key), examples.takesObjects(key)]).toEqual([1, false])
    examples.toggleObjects(key)
    expect(examples.missing).toEqual([])
    expect(examples.describeExamples()).toEqual([{ class: 'roof', points: [], annotations: true }])
    vocabulary.change(key, { name: 'hut' })
    expect(examples.takesObjects(key)).toBe(false)
  })
})

describe('a classification', () => {
  it('is sent with bands, examples and the view, and followed like other runs', async () => {
    showTwo()
    useViewStore().visible = { col: 1, row: 2, width: 30, height: 40 }
    useVocabularyStore().scope = 'view'
    useVocabularyStore().refine = true
    const { start, obstacle } = useClassify()
    expect(obstacle.value).toBeNull()
    await start()
    expect(sent[0]).toMatchObject({
      raster: 'a.tif',
      prompt: 'examples',
      space: 'pixel',
      rgb_index: [1, 2, 3],
      refine: true,
      window: [1, 2, 30, 40],
      examples: [
        { class: 'roof', points: [[0, 5]], annotations: false },
        { class: 'lawn', points: [[10, 5]], annotations: false },
      ],
    })
    expect(useJobsStore().byRaster['a.tif']?.state).toBe('queued')
  })

  it('waits for classes, and for an example of each or for words', async () => {
    const vocabulary = useVocabularyStore()
    const { canStart, obstacle } = useClassify()
    await vocabulary.load()
    expect(obstacle.value).toBe('noClasses')
    showTwo()
    useExamplesStore().undo()
    expect(obstacle.value).toBe('noExamples')
    vocabulary.prompt = 'text'
    expect([obstacle.value, canStart.value]).toEqual(['noWords', false])
    info = { ...INFO, text_available: true, how: null }
    await vocabulary.load()
    expect([obstacle.value, canStart.value]).toEqual([null, true])
  })

  it('that the server refuses is told', async () => {
    showTwo()
    answer = refusal(503, 'checkpoint_missing')
    await useClassify().start()
    expect(useNoticesStore().notice?.code).toBe('checkpoint_missing')
  })
})

describe('the panel', () => {
  it('offers examples and tells what words need', async () => {
    const wrapper = mount(VocabularyPanel, { global })
    await vi.waitFor(() => expect(useVocabularyStore().state).toBe('ready'))
    await nextTick()
    const examples = wrapper.get('[data-test=vocabulary-examples]')
    expect(examples.attributes('aria-pressed')).toBe('true')
    await wrapper.get('[data-test=vocabulary-text]').trigger('click')
    expect(wrapper.get('[data-test=vocabulary-how]').text()).toContain(HOW)
  })

  it('adds, renames and clicks classes', async () => {
    const wrapper = mount(VocabularyPanel, { global })
    await wrapper.get('[data-test=vocabulary-new]').setValue('roof')
    await wrapper.get('form').trigger('submit')
    const [vocabulary, examples] = [useVocabularyStore(), useExamplesStore()]
    expect(wrapper.get('[data-test=classify-obstacle]').text()).toContain('roof')
    await wrapper.get('[data-test=vocabulary-click]').trigger('click')
    expect(examples.activeKey).toBe(vocabulary.classes[0]!.key)
    examples.addPoint(3, 4)
    await nextTick()
    expect(wrapper.get('[data-test=vocabulary-count]').text()).toBe('1 click')
    const field = wrapper.get('[data-test=vocabulary-name]')
    await field.setValue('hut')
    expect(vocabulary.classes[0]!.name).toBe('hut')
    wrapper.unmount()
    expect(examples.isActive).toBe(false)
  })
})

describe('the legend', () => {
  it('tells the area of each class and which of them are shown', async () => {
    show({ job: 'j1', n_objects: 3, classes: CLASSES })
    const wrapper = mount(ClassLegend, { global })
    const areas = wrapper.findAll('[data-test=legend-area]').map((item) => item.text())
    expect(areas).toEqual(['1.235 ha', '400 px'])
    expect(wrapper.text()).toContain('75 %')
    const { resultUrl } = useRaster()
    expect(resultUrl.value).not.toContain('hidden')
    const shown = useShownClassesStore()
    shown.toggle(2)
    shown.minProbability = 0.4
    expect(resultUrl.value).toContain('min_probability=0.4&hidden=2')
    shown.toggle(2)
    expect(resultUrl.value).not.toContain('hidden')
    show({ job: 'j2', n_objects: 3, classes: CLASSES })
    expect([shown.minProbability, shown.hidden.size]).toEqual([0, 0])
  })
})
