import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { Quasar } from 'quasar'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import MapView from 'src/components/raster/MapView.vue'
import { i18n } from 'src/i18n'
import { useEditingStore } from 'src/stores/editing'
import { useLayerStore } from 'src/stores/layer'
import { useRastersStore } from 'src/stores/rasters'
import type { RasterMeta, TileJson } from 'src/types/raster'

import { FakeLayer } from './fakeLayer'

const global = { plugins: [Quasar, i18n] as [typeof Quasar, typeof i18n] }
const RING = [[20, 20], [80, 20], [80, 80], [20, 80], [20, 20]] // prettier-ignore
const SIZE = { width: 100, height: 100 }

/** A map takes its time to be made on a busy machine. */
const TIMEOUT = { timeout: 5000 }

let server: FakeLayer

beforeEach(async () => {
  localStorage.clear()
  setActivePinia(createPinia())
  server = new FakeLayer()
  server.revision = 1
  const rating = { checkpoint: null, predicted_iou: null, stability_score: null }
  const geometry = { type: 'Polygon', coordinates: [RING] }
  server.add({ geometry, class: 'roof', source: 'imported', ...rating })
  vi.stubGlobal('fetch', server.fetch)
  const tileJson = { space: 'pixel', tiles: ['/t'], minzoom: 0, maxzoom: 0, tile_size: 256 }
  useRastersStore().tileJson = { ...tileJson, ...SIZE } as unknown as TileJson
  useRastersStore().meta = { raster: 'a.tif', ...SIZE } as RasterMeta
  await vi.waitFor(() => expect(useLayerStore().state).toBe('ready'))
})
afterEach(() => vi.unstubAllGlobals())

it('an object is selected on the map, its corners are edited, and the outline is saved', async () => {
  const wrapper = mount(MapView, { global, props: { hasSheet: false }, attachTo: document.body })
  const editing = useEditingStore()
  await wrapper.get('[data-test=select-mode]').trigger('click')
  await wrapper.get('[data-test=map]').trigger('keydown', { key: 'Enter' })
  expect(editing.only?.properties.id).toBe(1)
  await nextTick()
  await wrapper.get('[data-test=edit-corners]').trigger('click')
  await nextTick()
  await wrapper.get('[data-test=edit-finish]').trigger('click')
  await vi.waitFor(() => expect(editing.tool).toBe('select'), TIMEOUT)
  expect(server.sent[0]?.body.change).toEqual([
    { id: 1, revision: 1, geometry: { type: 'Polygon', coordinates: [RING] } },
  ])
  wrapper.unmount()
}, 20_000)
