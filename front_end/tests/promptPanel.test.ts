import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { Quasar } from 'quasar'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import ObjectsPanel from 'src/components/prompts/ObjectsPanel.vue'
import PromptBar from 'src/components/prompts/PromptBar.vue'
import AreaField from 'src/components/segmentation/AreaField.vue'
import { readKey, usePromptKeys } from 'src/composables/usePromptKeys'
import { i18n } from 'src/i18n'
import { useLayerStore } from 'src/stores/layer'
import { useNoticesStore } from 'src/stores/notices'
import { usePromptsStore } from 'src/stores/prompts'
import { useRastersStore } from 'src/stores/rasters'
import { useViewStore } from 'src/stores/view'
import type { RasterMeta, TileJson } from 'src/types/raster'

import { FakeLayer } from './fakeLayer'

const global = { plugins: [Quasar, i18n] as [typeof Quasar, typeof i18n] }
const GEOMETRY = { type: 'Polygon', coordinates: [] }
const CANDIDATES = ['m1', 'm2'].map((id) => ({
  id,
  predicted_iou: 0.912,
  area_px: 1234,
  area_m2: 308.5,
  feature: { type: 'Feature', geometry: GEOMETRY, properties: {} },
}))

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
  i18n.global.locale.value = 'en'
  useRastersStore().tileJson = { space: 'map' } as TileJson
  useRastersStore().meta = { raster: 'a.tif', width: 100, height: 80 } as RasterMeta
  const reply = () => new Response(JSON.stringify({ masks: CANDIDATES }), { status: 200 })
  const layer = new FakeLayer()
  vi.stubGlobal('fetch', (path: string, init: RequestInit) =>
    path.startsWith('/annotations') ? layer.fetch(path, init) : Promise.resolve(reply()),
  )
})
afterEach(() => vi.unstubAllGlobals())

async function click(): Promise<void> {
  usePromptsStore().addPoint({ x: 1, y: 2, isInside: true })
  await vi.waitFor(() => expect(usePromptsStore().state).toBe('ready'))
}

describe('PromptBar', () => {
  it('goes from the invitation to an outline that can be accepted', async () => {
    const wrapper = mount(PromptBar, { global })
    usePromptsStore()
    await nextTick()
    expect(wrapper.get('[data-test=prompt-status]').text()).toContain('Click an object')
    const accept = wrapper.get<HTMLButtonElement>('[data-test=prompt-accept]')
    expect(accept.element.disabled).toBe(true)
    await click()
    expect(wrapper.get('[data-test=prompt-status]').text()).toContain(
      '308.5 m² · 1,234 px · predicted IoU 0.91',
    )
    await wrapper.get('[data-test=prompt-next]').trigger('click')
    expect(wrapper.get('[data-test=prompt-rank]').text()).toBe('2 / 2')
    await accept.trigger('click')
    await vi.waitFor(() => expect(useLayerStore().objects).toHaveLength(1))
    expect(usePromptsStore().isEmpty).toBe(true)
  })

  it('offers another try after a failure', async () => {
    const wrapper = mount(PromptBar, { global })
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')))
    usePromptsStore().addPoint({ x: 1, y: 2, isInside: true })
    await vi.waitFor(() => expect(wrapper.find('[data-test=prompt-retry]').exists()).toBe(true))
    expect(useNoticesStore().notice?.code).toBe('unreachable')
  })
})

describe('the keys', () => {
  const press = (key: string, more: KeyboardEventInit = {}) =>
    window.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, ...more }))

  it('mean what the page lists', () => {
    const read = (key: string, more: KeyboardEventInit = {}) =>
      readKey(new KeyboardEvent('keydown', { key, ...more }))
    expect(read('Enter')).toBe('accept')
    expect(read('N')).toBe('next')
    expect(read('z', { ctrlKey: true })).toBe('undo')
    expect(read('Z', { metaKey: true, shiftKey: true })).toBe('redo')
    expect(read('n', { ctrlKey: true })).toBeNull()
    expect(read('x')).toBeNull()
  })

  it('act in the mode only, and not while one types', async () => {
    const addPoint = vi.fn()
    const wrapper = mount(
      { setup: () => usePromptKeys(addPoint), template: '<input />' },
      { global, attachTo: document.body },
    )
    const prompts = usePromptsStore()
    press('i')
    prompts.isActive = true
    await wrapper.get('input').trigger('keydown', { key: 'i' })
    expect(addPoint).not.toHaveBeenCalled()
    press('i')
    press('o')
    expect(addPoint.mock.calls).toEqual([[true], [false]])
    await click()
    press('Escape')
    expect(prompts.isEmpty).toBe(true)
    await click()
    press('Enter')
    await vi.waitFor(() => expect(useLayerStore().objects).toHaveLength(1))
    wrapper.unmount()
    press('i')
    expect(addPoint).toHaveBeenCalledTimes(2)
  })
})

describe('ObjectsPanel', () => {
  it('turns the mode on and off', async () => {
    const wrapper = mount(ObjectsPanel, { global })
    await wrapper.get('[data-test=prompt-toggle]').trigger('click')
    expect(usePromptsStore().isActive).toBe(true)
    expect(wrapper.get('[data-test=prompt-toggle]').text()).toContain('Stop')
  })
})

describe('AreaField', () => {
  const ring = [[1, 1], [2, 1], [2, 2], [1, 1]] // prettier-ignore

  async function choose(wrapper: ReturnType<typeof mount>, text: string): Promise<void> {
    const input = wrapper.get<HTMLInputElement>('[data-test=area-input]')
    const file = new File([text], 'field.geojson')
    Object.defineProperty(input.element, 'files', { configurable: true, value: [file] })
    await input.trigger('change')
  }

  it('takes a polygon from a file, and clears it', async () => {
    const wrapper = mount(AreaField, { global })
    await choose(wrapper, JSON.stringify({ type: 'Polygon', coordinates: [ring] }))
    await vi.waitFor(() => expect(useViewStore().settings.area?.type).toBe('Polygon'))
    await nextTick()
    expect(wrapper.get('[data-test=area-summary]').text()).toBe('1 polygon, 3 corners')
    await wrapper.get('[data-test=clear-area]').trigger('click')
    expect(useViewStore().settings.area).toBeNull()
  })

  it('says what is wrong with a file, and keeps the area', async () => {
    const area = { type: 'Polygon' as const, coordinates: [ring] }
    useViewStore().settings.area = area
    const wrapper = mount(AreaField, { global })
    await choose(wrapper, '{"type": "Point", "coordinates": [1, 2]}')
    await vi.waitFor(() => expect(wrapper.find('[data-test=area-error]').exists()).toBe(true))
    expect(wrapper.get('[data-test=area-error]').text()).toContain('field.geojson')
    expect(wrapper.get('[data-test=area-error]').text()).toContain('Point')
    expect(useViewStore().settings.area).toEqual(area)
  })

  it('starts and stops drawing', async () => {
    const wrapper = mount(AreaField, { global })
    await wrapper.get('[data-test=draw-area]').trigger('click')
    expect(useViewStore().drawing).toBe('area')
    await wrapper.get('[data-test=draw-area]').trigger('click')
    expect(useViewStore().drawing).toBeNull()
  })
})
