import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import { useAnnotationsStore } from 'src/stores/annotations'
import { useEditingStore } from 'src/stores/editing'
import { useLayerStore } from 'src/stores/layer'
import { useNoticesStore } from 'src/stores/notices'
import { usePanelStore } from 'src/stores/panel'
import { usePromptsStore } from 'src/stores/prompts'
import { useRastersStore } from 'src/stores/rasters'
import type { RasterMeta, TileJson } from 'src/types/raster'

import { FakeLayer } from './fakeLayer'

const GEOMETRY = { type: 'Polygon', coordinates: [[[0, 0], [2, 0], [2, 2], [0, 0]]] } // prettier-ignore
const OTHER_SHAPE = { type: 'Polygon', coordinates: [[[0, 0], [9, 0], [9, 9], [0, 0]]] } // prettier-ignore

let server: FakeLayer

beforeEach(async () => {
  localStorage.clear()
  setActivePinia(createPinia())
  server = new FakeLayer()
  server.revision = 1
  const rating = { checkpoint: null, predicted_iou: null, stability_score: null }
  for (let count = 0; count < 3; count += 1) {
    server.add({ geometry: GEOMETRY, class: null, source: 'drawn', ...rating })
  }
  vi.stubGlobal('fetch', server.fetch)
  useRastersStore().tileJson = { space: 'map' } as TileJson
  useRastersStore().meta = { raster: 'a.tif' } as RasterMeta
  useEditingStore()
  await vi.waitFor(() => expect(useLayerStore().state).toBe('ready'))
})
afterEach(() => vi.unstubAllGlobals())

function selectedIds(): number[] {
  return useEditingStore().selected.map((item) => item.properties.id)
}

describe('the selection', () => {
  it('is what was clicked, and with Shift more', () => {
    const editing = useEditingStore()
    editing.pick(1, false)
    editing.pick(2, false)
    expect(selectedIds()).toEqual([2])
    editing.pick(3, true)
    expect(selectedIds()).toEqual([2, 3])
    editing.pick(null, true)
    editing.pick(2, true)
    expect(selectedIds()).toEqual([3])
    editing.pick(3, false)
    expect(selectedIds()).toEqual([])
  })

  it('grows by every click where that was chosen', () => {
    const editing = useEditingStore()
    editing.addsToSelection = true
    editing.pick(1, false)
    editing.pick(2, false)
    expect(selectedIds()).toEqual([1, 2])
  })

  it('loses what others delete', async () => {
    useEditingStore().select([1, 2])
    server.remove(2)
    await useLayerStore().refresh()
    expect(selectedIds()).toEqual([1])
  })

  it('ends where another raster is opened or outlining begins', async () => {
    const editing = useEditingStore()
    editing.use('select')
    editing.pick(1, false)
    useRastersStore().meta = { raster: 'b.tif' } as RasterMeta
    expect(editing.count).toBe(0)
    usePromptsStore().isActive = true
    await nextTick()
    expect(editing.tool).toBeNull()
  })
})

describe('a class', () => {
  it('is given to the selected objects, or to the next one', async () => {
    const editing = useEditingStore()
    await editing.chooseClass('roof')
    expect(useAnnotationsStore().className).toBe('roof')
    expect(server.sent).toEqual([])
    editing.select([1, 3])
    await editing.chooseClass('pool')
    expect(server.sent[0]?.body.change).toEqual([
      { id: 1, revision: 1, class: 'pool' },
      { id: 3, revision: 1, class: 'pool' },
    ])
    await editing.chooseClass(null)
    expect(server.sent[1]?.body.change?.[0]).toEqual({ id: 1, revision: 2, class: null })
    expect(useAnnotationsStore().className).toBe('roof')
  })
})

describe('selected objects', () => {
  it('are deleted together', async () => {
    useEditingStore().select([1, 2])
    await useEditingStore().remove()
    expect(useLayerStore().objects.map((item) => item.properties.id)).toEqual([3])
    await useEditingStore().remove()
    expect(server.sent).toHaveLength(1)
  })

  it('are reshaped by the server within the tolerance', async () => {
    const editing = useEditingStore()
    editing.tolerancePx = 3.5
    editing.select([2])
    await editing.reshape('regularise')
    expect(server.sent[0]).toEqual({
      path: '/annotations/edit',
      body: {
        raster: 'a.tif',
        operation: 'regularise',
        objects: [{ id: 2, revision: 1 }],
        tolerance_px: 3.5,
      },
    })
  })

  it('are split by a line, one at a time', async () => {
    const editing = useEditingStore()
    editing.select([1, 2])
    editing.use('split')
    expect(editing.tool).toBeNull()
    editing.select([2])
    editing.use('split')
    expect(editing.tool).toBe('split')
    await editing.split([[0, 1], [3, 1]]) // prettier-ignore
    expect(editing.tool).toBe('select')
    expect(server.sent[0]?.body).toMatchObject({ operation: 'split', line: [[0, 1], [3, 1]] }) // prettier-ignore
  })
})

describe('an outline changed by hand', () => {
  it('is saved, and selecting goes on', async () => {
    const editing = useEditingStore()
    editing.select([1])
    editing.use('edit')
    await editing.saveShape(OTHER_SHAPE)
    expect(editing.tool).toBe('select')
    expect(useLayerStore().byId.get(1)?.geometry).toEqual(OTHER_SHAPE)
  })

  it('stays open where another tab was faster, and is saved by a second try', async () => {
    const editing = useEditingStore()
    editing.select([1])
    editing.use('edit')
    server.change(1, { class: 'pool' })
    await useLayerStore().refresh()
    await editing.saveShape(OTHER_SHAPE)
    expect(useNoticesStore().notice?.code).toBe('conflict')
    expect(editing.tool).toBe('edit')
    expect(useLayerStore().byId.get(1)?.geometry).toEqual(GEOMETRY)
    await editing.saveShape(OTHER_SHAPE)
    expect(useNoticesStore().notice).toBeNull()
    expect(useLayerStore().byId.get(1)).toMatchObject({
      geometry: OTHER_SHAPE,
      properties: { class: 'pool' },
    })
  })

  it('becomes a new object where another tab has deleted it', async () => {
    const editing = useEditingStore()
    editing.select([1])
    editing.use('edit')
    server.remove(1)
    await editing.saveShape(OTHER_SHAPE)
    expect(editing.tool).toBe('edit')
    await editing.saveShape(OTHER_SHAPE)
    expect(useLayerStore().byId.get(4)?.geometry).toEqual(OTHER_SHAPE)
    expect(editing.tool).toBe('select')
  })

  it('may be drawn from nothing', async () => {
    const editing = useEditingStore()
    editing.use('draw')
    await editing.draw(OTHER_SHAPE)
    expect(server.sent[0]?.body.add?.[0]).toMatchObject({ source: 'drawn', geometry: OTHER_SHAPE })
  })
})

describe('the tools', () => {
  it('take the place of outlining, and show the objects', () => {
    usePromptsStore().isActive = true
    useEditingStore().use('select')
    expect(usePromptsStore().isActive).toBe(false)
    expect(usePanelStore().tab).toBe('objects')
  })

  it('leave clicks to the result where that is looked at', async () => {
    useEditingStore().use('select')
    usePanelStore().tab = 'result'
    await nextTick()
    expect(useEditingStore().tool).toBeNull()
  })
})
