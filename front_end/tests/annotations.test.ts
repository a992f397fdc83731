import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { useAnnotationsStore } from 'src/stores/annotations'
import { useClassTableStore } from 'src/stores/classTable'
import { useLayerStore } from 'src/stores/layer'
import { completeLayer, EMPTY_LAYER, hasGap, patchLayer } from 'src/stores/layerState'
import { useNoticesStore } from 'src/stores/notices'
import { useRastersStore } from 'src/stores/rasters'
import type { Annotation, LayerAnswer } from 'src/types/annotation'
import type { CandidateMask } from 'src/types/prompt'
import type { RasterMeta, TileJson } from 'src/types/raster'

import { FakeLayer, refusal } from './fakeLayer'

const GEOMETRY = { type: 'Polygon', coordinates: [[[0, 0], [2, 0], [2, 2], [0, 0]]] } // prettier-ignore
const MASK: CandidateMask = {
  id: 'm',
  predicted_iou: 0.8,
  area_px: 2,
  area_m2: null,
  feature: { type: 'Feature', geometry: GEOMETRY, properties: null },
}
const STORED_KEY = 'rs.annotations.map.a.tif'
const STORED = {
  type: 'Feature',
  geometry: GEOMETRY,
  properties: { id: 7, class: 'roof', predicted_iou: 0.7, checkpoint: 'tiny', source: 'prompt' },
}

let server: FakeLayer

function showRaster(name: string): void {
  useRastersStore().tileJson = { space: 'map' } as TileJson
  useRastersStore().meta = { raster: name } as RasterMeta
}

/** The page once it has been loaded anew and the layer has been read. */
async function openPage(name = 'a.tif') {
  setActivePinia(createPinia())
  showRaster(name)
  const page = { annotations: useAnnotationsStore(), layer: useLayerStore() }
  await settle()
  return page
}

async function settle(): Promise<void> {
  await vi.waitFor(() => expect(useLayerStore().pending).toBe(0))
  await new Promise((resolve) => setTimeout(resolve))
  await vi.waitFor(() => expect(useLayerStore().pending).toBe(0))
}

function ids(): number[] {
  return useLayerStore().objects.map((item) => item.properties.id)
}

beforeEach(() => {
  localStorage.clear()
  server = new FakeLayer()
  vi.stubGlobal('fetch', vi.fn(server.fetch))
})
afterEach(() => vi.unstubAllGlobals())

describe('what is known of a layer', () => {
  const object = (id: number, revision: number) =>
    ({ properties: { id, revision } }) as unknown as Annotation
  const answer = (facts: Partial<LayerAnswer>) =>
    ({
      since: (facts.revision ?? 1) - 1,
      classes: [],
      objects: [],
      removed: [],
      undo: null,
      redo: null,
      ...facts,
    }) as LayerAnswer

  it('takes over what changed, in the order of the ids', () => {
    const first = completeLayer(
      EMPTY_LAYER,
      answer({ revision: 2, since: 0, objects: [object(1, 1), object(3, 2)] }),
    )
    const second = patchLayer(
      first,
      answer({ revision: 3, objects: [object(2, 3)], removed: [1], undo: 'x' }),
    )
    expect(second.objects.map((item) => item.properties.id)).toEqual([2, 3])
    expect(second.undo).toBe('x')
    expect(hasGap(second, answer({ revision: 3 }))).toBe(false)
  })

  it('does not claim to know what others changed meanwhile', () => {
    const later = answer({ revision: 5, objects: [object(9, 5)] })
    const patched = patchLayer(EMPTY_LAYER, later)
    expect(patched.revision).toBe(0)
    expect(hasGap(patched, later)).toBe(true)
    expect(completeLayer(patched, later).revision).toBe(5)
  })

  it('forgets what it knew where the answer is the whole layer', () => {
    const known = completeLayer(
      EMPTY_LAYER,
      answer({ revision: 7, since: 0, objects: [object(1, 1)] }),
    )
    const anew = completeLayer(known, answer({ revision: 2, since: 0, objects: [object(4, 2)] }))
    expect(anew.objects.map((item) => item.properties.id)).toEqual([4])
    expect(anew.revision).toBe(2)
  })
})

describe('accepted objects', () => {
  it('are kept by the server over a reload, with the class used last', async () => {
    const { annotations } = await openPage()
    annotations.className = 'roof'
    await annotations.accept(MASK, 'tiny')
    expect(server.sent[0]?.body.add).toMatchObject([
      { geometry: GEOMETRY, class: 'roof', source: 'prompt', checkpoint: 'tiny' },
    ])
    const again = await openPage()
    expect(ids()).toEqual([1])
    expect(again.annotations.className).toBe('roof')
  })

  it('accepted in quick succession go up one after another', async () => {
    const { annotations } = await openPage()
    await Promise.all([annotations.accept(MASK, null), annotations.accept(MASK, null)])
    expect(ids()).toEqual([1, 2])
  })

  it('of a raster that was left meanwhile still go there, and are not shown with the next', async () => {
    const { annotations, layer } = await openPage()
    const answer = annotations.accept(MASK, null)
    showRaster('b.tif')
    expect(layer.objects).toEqual([])
    expect((await answer)?.objects).toHaveLength(1)
    expect(layer.objects).toEqual([])
    expect(server.sent[0]?.body).toMatchObject({ raster: 'a.tif' })
    await settle()
  })

  it('are undone and deleted', async () => {
    const { annotations, layer } = await openPage()
    await annotations.accept(MASK, null)
    expect(layer.undoTitle).toBe('add')
    await layer.undo()
    await layer.redo()
    expect(server.sent.map((item) => item.path)).toEqual([
      '/annotations',
      '/annotations/undo',
      '/annotations/redo',
    ])
    await annotations.removeAll()
    expect(server.sent.at(-1)?.body.remove).toEqual([{ id: 1, revision: 1 }])
    expect(ids()).toEqual([])
  })

  it('of another tab arrive when the window is looked at again', async () => {
    const { annotations } = await openPage()
    await annotations.accept(MASK, null)
    await annotations.accept(MASK, null)
    server.change(1, { class: 'pool' })
    server.remove(2)
    window.dispatchEvent(new Event('focus'))
    await settle()
    expect(useLayerStore().objects.map((item) => item.properties.class)).toEqual(['pool'])
  })

  it('of another tab arrive with the answer to a change too', async () => {
    const { annotations } = await openPage()
    await annotations.accept(MASK, null)
    server.change(1, { class: 'pool' })
    await annotations.accept(MASK, null)
    expect(useLayerStore().objects.map((item) => item.properties.class)).toEqual(['pool', null])
  })

  it('are read anew where the layer counts from the start again', async () => {
    const { annotations, layer } = await openPage()
    await annotations.accept(MASK, null)
    server.objects.clear()
    server.revision = 0
    await layer.refresh()
    expect(ids()).toEqual([])
  })

  it('are not shown as none where they could not be read', async () => {
    server.failures = [null]
    const { layer } = await openPage()
    expect(layer.state).toBe('failed')
    await layer.load()
    expect(layer.state).toBe('ready')
  })
})

describe('objects that the server does not have', () => {
  it('stored by an earlier version are sent up once', async () => {
    localStorage.setItem(STORED_KEY, JSON.stringify([STORED, { nonsense: true }]))
    await openPage()
    expect(server.sent.map((item) => item.body.add)).toEqual([
      [
        {
          geometry: GEOMETRY,
          class: 'roof',
          source: 'prompt',
          checkpoint: 'tiny',
          predicted_iou: 0.7,
          stability_score: null,
        },
      ],
    ])
    expect(localStorage.getItem(STORED_KEY)).toBeNull()
    await openPage()
    expect(server.sent).toHaveLength(1)
    expect(ids()).toEqual([1])
  })

  it('wait where the server does not answer, and follow the next one', async () => {
    const { annotations } = await openPage()
    server.failures = [null]
    await annotations.accept(MASK, null)
    expect(useNoticesStore().notice?.code).toBe('unreachable')
    expect(annotations.waiting).toBe(1)
    expect(localStorage.getItem(STORED_KEY)).not.toBeNull()
    await annotations.accept(MASK, null)
    expect(ids()).toEqual([1, 2])
    expect(annotations.waiting).toBe(0)
    expect(localStorage.getItem(STORED_KEY)).toBeNull()
  })

  it('do not wait where the server refuses them', async () => {
    const { annotations } = await openPage()
    server.failures = [refusal(400, 'bad_parameter')]
    await annotations.accept(MASK, null)
    expect(annotations.waiting).toBe(0)
    expect(useNoticesStore().notice?.code).toBe('bad_parameter')
  })

  it('are given up on request', async () => {
    localStorage.setItem(STORED_KEY, JSON.stringify([STORED]))
    server.failures = [
      new Response(
        JSON.stringify({ revision: 0, since: 0, classes: [], objects: [], removed: [] }),
      ),
      refusal(400, 'bad_parameter'),
    ]
    const { annotations } = await openPage()
    expect(annotations.waiting).toBe(1)
    annotations.forgetWaiting()
    expect(localStorage.getItem(STORED_KEY)).toBeNull()
    expect(annotations.waiting).toBe(0)
  })

  it('are told to be lost where the storage is full as well', async () => {
    const { annotations } = await openPage()
    const setItem = () => {
      throw new DOMException('full', 'QuotaExceededError')
    }
    vi.stubGlobal('localStorage', { getItem: () => null, setItem })
    server.failures = [null]
    await annotations.accept(MASK, null)
    expect(useNoticesStore().notice?.code).toBe('storage_full')
  })

  it('are none where the storage holds something else', async () => {
    localStorage.setItem(STORED_KEY, '{"not": "a list"}')
    const { annotations } = await openPage()
    expect(annotations.waiting).toBe(0)
  })
})

describe('objects from elsewhere', () => {
  it('come from a file, with what the server has to say about it', async () => {
    const { annotations } = await openPage()
    server.notes = ['Reprojected from EPSG:32650.']
    await annotations.importFile(new File(['{}'], 'roofs.geojson'))
    expect(server.sent[0]?.path).toBe('/annotations/import?raster=a.tif')
    expect(annotations.notes).toEqual(['Reprojected from EPSG:32650.'])
    server.failures = [refusal(400, 'bad_parameter')]
    await annotations.importFile(new File(['{}'], 'roofs.geojson'))
    expect(annotations.notes).toEqual([])
  })

  it('come from the automatic result, and keep the class that it gave them', async () => {
    const { annotations } = await openPage()
    annotations.className = 'roof'
    await annotations.promote([4], false)
    await annotations.promote(null, true)
    expect(server.sent.map(({ body }) => [body.ids, body.class])).toEqual([
      [[4], 'roof'],
      [null, null],
    ])
    expect(ids()).toHaveLength(4)
  })
})

describe('the class table', () => {
  it('grows, with ids and colours that are free', async () => {
    await openPage()
    const table = useClassTableStore()
    await table.add(' roof ')
    await table.add('pool')
    await table.add('roof')
    expect(table.rows.map((row) => [row.id, row.name])).toEqual([
      [1, 'roof'],
      [2, 'pool'],
    ])
    expect(new Set(table.rows.map((row) => row.color)).size).toBe(2)
    expect(table.colorOf('pool')).toBe(table.rows[1]?.color)
    expect(table.colorOf(null)).toBe('#ffffff')
    await table.remove(1)
    await table.add('field')
    expect(table.rows.map((row) => row.id)).toEqual([2, 1])
  })

  it('is renamed and recoloured, and the next object follows', async () => {
    const { annotations } = await openPage()
    const table = useClassTableStore()
    await table.add('roof')
    annotations.className = 'roof'
    await table.change(1, { color: '#123456' })
    await table.change(1, { name: 'house' })
    expect(table.rows).toEqual([{ id: 1, name: 'house', color: '#123456' }])
    expect(annotations.className).toBe('house')
  })
})
