import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { Quasar } from 'quasar'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import AnnotationItem from 'src/components/annotations/AnnotationItem.vue'
import ClassTable from 'src/components/annotations/ClassTable.vue'
import EditBar from 'src/components/annotations/EditBar.vue'
import LayerSection from 'src/components/annotations/LayerSection.vue'
import SelectionBar from 'src/components/annotations/SelectionBar.vue'
import KeepAll from 'src/components/export/KeepAll.vue'
import ObjectCard from 'src/components/export/ObjectCard.vue'
import ErrorBanner from 'src/components/shell/ErrorBanner.vue'
import { readLayerKey, useLayerKeys } from 'src/composables/useLayerKeys'
import { i18n } from 'src/i18n'
import { useAnnotationsStore } from 'src/stores/annotations'
import { useClassTableStore } from 'src/stores/classTable'
import { useEditingStore } from 'src/stores/editing'
import { useImportsStore } from 'src/stores/imports'
import { useLayerStore } from 'src/stores/layer'
import { useNoticesStore } from 'src/stores/notices'
import { usePanelStore } from 'src/stores/panel'
import { usePromptsStore } from 'src/stores/prompts'
import { useRastersStore } from 'src/stores/rasters'
import { useSelectionStore } from 'src/stores/selection'
import type { Annotation } from 'src/types/annotation'
import type { ObjectFeature } from 'src/types/object'
import type { RasterMeta, SegmentationResult, TileJson } from 'src/types/raster'

import { FakeLayer } from './fakeLayer'

const global = { plugins: [Quasar, i18n] as [typeof Quasar, typeof i18n] }
const GEOMETRY = { type: 'Polygon', coordinates: [] }
const RATING = { checkpoint: null, predicted_iou: null, stability_score: null }
const props = { raster: 'a.tif' }

let server: FakeLayer

beforeEach(async () => {
  localStorage.clear()
  setActivePinia(createPinia())
  i18n.global.locale.value = 'en'
  server = new FakeLayer()
  server.revision = 1
  server.classes = ['roof', 'pool'].map((name, id) => ({ id: id + 1, name, color: '#123456' }))
  for (let count = 0; count < 3; count += 1) {
    server.add({ geometry: GEOMETRY, class: 'roof', source: 'imported', ...RATING })
  }
  vi.stubGlobal('fetch', server.fetch)
  useRastersStore().tileJson = { space: 'map' } as TileJson
  useRastersStore().meta = { raster: 'a.tif' } as RasterMeta
  usePanelStore().tab = 'objects'
  useEditingStore()
  await vi.waitFor(() => expect(useLayerStore().state).toBe('ready'))
})
afterEach(() => vi.unstubAllGlobals())

async function settle(): Promise<void> {
  await vi.waitFor(() => expect(useLayerStore().pending).toBe(0))
  await nextTick()
}

describe('LayerSection', () => {
  it('counts the objects, says where they are kept, and offers every format', () => {
    const wrapper = mount(LayerSection, { global, props })
    expect(wrapper.get('[data-test=annotation-count]').attributes('data-count')).toBe('3')
    expect(wrapper.get('[data-test=annotation-place]').text()).toContain('on the server')
    expect(wrapper.get('[data-test=annotation-download]').attributes('href')).toBe(
      '/annotations/download?raster=a.tif&format=geojson',
    )
    expect(wrapper.find('[data-test=annotation-pixels]').exists()).toBe(false)
  })

  it('says that a download is in pixels where it is', async () => {
    useRastersStore().tileJson = { space: 'pixel' } as TileJson
    const wrapper = mount(LayerSection, { global, props })
    expect(wrapper.get('[data-test=annotation-pixels]').text()).toContain('in pixels')
  })

  it('undoes, with the step by its name', async () => {
    const wrapper = mount(LayerSection, { global, props })
    const undo = wrapper.get('[data-test=layer-undo]')
    expect(undo.attributes('aria-label')).toBe('Undo: accept')
    await undo.trigger('click')
    expect(server.sent[0]?.path).toBe('/annotations/undo')
    expect(wrapper.get('[data-test=layer-redo]').attributes('disabled')).toBeDefined()
    await settle()
  })

  it('takes a file that is chosen or dropped, and shows what was said about it', async () => {
    server.notes = ['2 points were left out.']
    const wrapper = mount(LayerSection, { global, props })
    const input = wrapper.get<HTMLInputElement>('[data-test=annotation-import-input]')
    const file = new File(['{}'], 'roofs.GeoJSON')
    Object.defineProperty(input.element, 'files', { configurable: true, value: [file] })
    await input.trigger('change')
    await useImportsStore().take('objects')
    await settle()
    expect(wrapper.get('[data-test=import-notes]').text()).toContain('2 points were left out.')
    const section = wrapper.get('[data-test=annotation-layer]')
    await section.trigger('dragover')
    expect(wrapper.get('[data-test=annotation-place]').text()).toBe('Drop to import')
    await section.trigger('drop', { dataTransfer: { files: [file] } })
    await useImportsStore().take('objects')
    await settle()
    await section.trigger('drop', { dataTransfer: { files: [new File([], 'scene.tif')] } })
    expect(useImportsStore().file).toBeNull()
    expect(server.sent.map((item) => item.path)).toEqual([
      '/annotations/import?raster=a.tif',
      '/annotations/import?raster=a.tif',
    ])
  })

  it('says what could not be sent or read', async () => {
    const wrapper = mount(LayerSection, { global, props })
    useAnnotationsStore().waiting = 2
    useLayerStore().state = 'failed'
    await nextTick()
    expect(wrapper.get('[data-test=layer-failed]').text()).toContain('could not be read')
    useAnnotationsStore().waiting = 2
    await nextTick()
    expect(wrapper.get('[data-test=annotation-waiting]').text()).toContain('2 objects wait')
  })
})

describe('ClassTable', () => {
  it('lists classes with their digit and count, and chooses one', async () => {
    const wrapper = mount(ClassTable, { global })
    const [roof, pool] = wrapper.findAll('[data-test=class-row]')
    expect(roof?.text()).toMatch(/^1\s*roof\s*3$/)
    await pool?.get('[data-test=class-choose]').trigger('click')
    expect(useAnnotationsStore().className).toBe('pool')
    expect(pool?.get('[data-test=class-choose]').attributes('aria-pressed')).toBe('true')
    useEditingStore().select([1])
    await nextTick()
    expect(roof?.get('[data-test=class-choose]').attributes('aria-pressed')).toBe('true')
    expect(wrapper.get('[data-test=class-hint]').text()).toContain('selected')
  })

  it('adds, renames, recolours and deletes', async () => {
    const wrapper = mount(ClassTable, { global })
    await wrapper.get('[data-test=class-name]').setValue('field')
    await wrapper.get('[data-test=class-add]').trigger('click')
    await settle()
    expect(server.classes.map((row) => row.name)).toEqual(['roof', 'pool', 'field'])
    const row = wrapper.findAll('[data-test=class-row]')[0]!
    await row.get('[data-test=class-rename]').trigger('click')
    await row.get('[data-test=class-rename-input]').setValue('house')
    await row.get('[data-test=class-rename-input]').trigger('keydown', { key: 'Enter' })
    await settle()
    await wrapper.findAll('[data-test=class-color]')[1]!.setValue('#00ff00')
    await settle()
    await wrapper.findAll('[data-test=class-remove]')[2]!.trigger('click')
    await settle()
    expect(server.classes).toEqual([
      { id: 1, name: 'house', color: '#123456' },
      { id: 2, name: 'pool', color: '#00ff00' },
    ])
  })
})

describe('AnnotationItem', () => {
  const properties = { id: 4, class: null, area_px: 9, area_m2: null, source: 'imported' }
  const item = { geometry: GEOMETRY, properties: { ...properties, ...RATING } } as Annotation

  it('is selected, named, zoomed to and deleted', async () => {
    const shown = { item, color: '#ffffff', isSelected: true, isOpen: true }
    const wrapper = mount(AnnotationItem, { global, props: shown })
    expect(wrapper.text()).toContain('4 · no class')
    expect(wrapper.text()).toContain('9 px · imported')
    await wrapper.get('[data-test=annotation-select]').trigger('click', { shiftKey: true })
    await wrapper.get('input').setValue(' pool ')
    await wrapper.get('[data-test=annotation-zoom]').trigger('click')
    await wrapper.get('[data-test=annotation-remove]').trigger('click')
    expect(wrapper.emitted()).toMatchObject({
      select: [[true]],
      rename: [['pool']],
      zoom: [[]],
      remove: [[]],
    })
  })
})

describe('SelectionBar', () => {
  it('offers what the selection allows', async () => {
    const wrapper = mount(SelectionBar, { global })
    const isOff = (name: string) =>
      wrapper.get(`[data-test=edit-${name}]`).attributes('disabled') !== undefined
    const names = ['corners', 'split', 'merge', 'shape', 'remove']
    expect(names.map(isOff)).toEqual([true, true, true, true, true])
    useEditingStore().select([1])
    await nextTick()
    expect(names.map(isOff)).toEqual([false, false, true, false, false])
    useEditingStore().select([1, 2])
    await nextTick()
    expect(names.map(isOff)).toEqual([true, true, false, false, false])
    expect(wrapper.get('[data-test=selection-status]').text()).toBe('2 objects selected')
  })
})

describe('the menus', () => {
  /** What a menu offers once its button was clicked; menus lie outside the component. */
  async function open(wrapper: ReturnType<typeof mount>, button: string): Promise<Element[]> {
    await wrapper.get(`[data-test=${button}]`).trigger('click')
    const find = () => expect(document.querySelectorAll('.q-menu .q-item')).not.toHaveLength(0)
    await vi.waitFor(find, { timeout: 4000 })
    return [...document.querySelectorAll('.q-menu .q-item')]
  }

  it('offer eight formats', async () => {
    const wrapper = mount(LayerSection, { global, props, attachTo: document.body })
    const links = await open(wrapper, 'annotation-formats')
    expect(links).toHaveLength(8)
    expect(links[1]?.getAttribute('href')).toContain('format=gpkg')
    wrapper.unmount()
  })

  it('reshape what is selected', async () => {
    const wrapper = mount(SelectionBar, { global, attachTo: document.body })
    useEditingStore().select([1])
    await nextTick()
    await open(wrapper, 'edit-shape')
    document.querySelector<HTMLElement>('[data-test=edit-smooth]')?.click()
    await settle()
    expect(server.sent[0]?.body).toMatchObject({ operation: 'smooth', tolerance_px: 2 })
    wrapper.unmount()
  })

  it('give what is selected a class', async () => {
    const wrapper = mount(SelectionBar, { global, attachTo: document.body })
    useEditingStore().select([1])
    await nextTick()
    const [, pool] = await open(wrapper, 'edit-class')
    ;(pool as HTMLElement).click()
    await settle()
    expect(useLayerStore().byId.get(1)?.properties.class).toBe('pool')
    wrapper.unmount()
  })
})

describe('EditBar', () => {
  it('says how to go on, and ends the shape', async () => {
    useEditingStore().select([1])
    useEditingStore().use('edit')
    const wrapper = mount(EditBar, { global })
    expect(wrapper.get('[data-test=edit-status]').text()).toContain('Drag a corner')
    for (const name of ['finish', 'give-up', 'undo', 'remove-corner']) {
      await wrapper.get(`[data-test=edit-${name}]`).trigger('click')
    }
    expect(Object.keys(wrapper.emitted())).toEqual(
      expect.arrayContaining(['finish', 'giveUp', 'undo', 'removeCorner']),
    )
    useEditingStore().use('draw')
    await nextTick()
    expect(wrapper.find('[data-test=edit-remove-corner]').exists()).toBe(false)
  })
})

describe('the keys of the layer', () => {
  const press = (key: string, more: KeyboardEventInit = {}) =>
    window.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, ...more }))
  const shape = { finish: vi.fn(), giveUp: vi.fn(), undoStep: vi.fn(), removeCorner: vi.fn() }
  let wrapper: ReturnType<typeof mount>

  beforeEach(() => {
    vi.clearAllMocks()
    const setup = () => useLayerKeys(shape)
    wrapper = mount({ setup, template: '<input />' }, { global, attachTo: document.body })
  })
  afterEach(() => wrapper.unmount())

  it('mean what the page lists', () => {
    const read = (key: string, more: KeyboardEventInit = {}) =>
      readLayerKey(new KeyboardEvent('keydown', { key, ...more }))
    expect([read('7'), read('V'), read('Delete')]).toEqual(['class', 'select', 'remove'])
    expect([read('z', { ctrlKey: true }), read('y', { metaKey: true })]).toEqual(['undo', 'redo'])
    expect([read('7', { ctrlKey: true }), read('q')]).toEqual([null, null])
  })

  it('choose a class, and undo', async () => {
    press('2')
    expect(useAnnotationsStore().className).toBe('pool')
    press('9')
    expect(useAnnotationsStore().className).toBe('pool')
    press('0')
    expect(useAnnotationsStore().className).toBe('')
    await wrapper.get('input').trigger('keydown', { key: '1' })
    expect(useAnnotationsStore().className).toBe('')
    press('z', { ctrlKey: true })
    await settle()
    expect(server.sent.map((item) => item.path)).toEqual(['/annotations/undo'])
  })

  it('leave the prompts what is theirs', async () => {
    const prompts = usePromptsStore()
    prompts.isActive = true
    await nextTick()
    prompts.addPoint({ x: 1, y: 1, isInside: false })
    press('z', { ctrlKey: true })
    press('Delete')
    expect(server.sent).toEqual([])
    prompts.clear()
    press('z', { ctrlKey: true })
    await settle()
    expect(server.sent).toHaveLength(1)
  })

  it('work on the selection, and on the shape while there is one', async () => {
    const editing = useEditingStore()
    press('v')
    expect(editing.tool).toBe('select')
    editing.select([2])
    press('Enter')
    expect(shape.finish).not.toHaveBeenCalled()
    press('e')
    expect(editing.tool).toBe('edit')
    press('Enter')
    press('z', { ctrlKey: true })
    press('Backspace')
    press('Escape')
    for (const action of Object.values(shape)) expect(action).toHaveBeenCalledTimes(1)
    expect(server.sent).toEqual([])
    editing.finish()
    press('Delete')
    await settle()
    expect(useLayerStore().objects).toHaveLength(2)
    press('Escape')
    press('Escape')
    expect(editing.tool).toBeNull()
  })

  it('are silent where the objects are not shown', () => {
    usePanelStore().tab = 'result'
    press('2')
    expect(useAnnotationsStore().className).toBe('')
  })
})

describe('objects of the result', () => {
  it('are kept one by one', async () => {
    const wrapper = mount(ObjectCard, { global, props: { isFloating: true } })
    const properties = { id: 8, area_px: 1, area_m2: null, class: null, ...RATING }
    useSelectionStore().feature = { geometry: GEOMETRY, properties } as unknown as ObjectFeature
    await nextTick()
    await wrapper.get('[data-test=object-keep]').trigger('click')
    await settle()
    expect(server.sent[0]?.body).toMatchObject({ ids: [8], class: null })
    expect(wrapper.get('[data-test=object-keep]').text()).toBe('Kept')
  })

  it('are kept all at once', async () => {
    const result = { job: 'j', n_objects: 3, class_name: null } as SegmentationResult
    const wrapper = mount(KeepAll, { global, props: { result } })
    useAnnotationsStore().className = 'roof'
    await wrapper.get('[data-test=result-keep-all]').trigger('click')
    await settle()
    expect(server.sent[0]?.body).toMatchObject({ ids: null, class: 'roof' })
    expect(wrapper.get('[data-test=result-kept]').text()).toBe('3 objects kept')
  })
})

describe('a conflict', () => {
  it('is told in the language of the page', async () => {
    const wrapper = mount(ErrorBanner, { global })
    server.change(1, { class: 'pool' })
    useEditingStore().select([1])
    await useEditingStore().remove()
    expect(useNoticesStore().notice?.code).toBe('conflict')
    expect(wrapper.text()).toContain('Another tab')
    expect(useLayerStore().byId.get(1)?.properties.class).toBe('pool')
    expect(useClassTableStore().counts.get('pool')).toBe(1)
  })
})
