import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import { geoJsonName, toGeoJson } from 'src/composables/annotationExport'
import { classColor } from 'src/composables/classColor'
import { useAnnotationsStore } from 'src/stores/annotations'
import { useNoticesStore } from 'src/stores/notices'
import { useRastersStore } from 'src/stores/rasters'
import type { CandidateMask } from 'src/types/prompt'
import type { RasterMeta, TileJson } from 'src/types/raster'

const RING = [
  [0, 0],
  [2, 0],
  [2, 2],
  [0, 0],
]
const MASK: CandidateMask = {
  id: 'm',
  predicted_iou: 0.8,
  area_px: 2,
  area_m2: null,
  feature: {
    type: 'Feature',
    geometry: { type: 'Polygon', coordinates: [RING] },
    properties: null,
  },
}

function showRaster(name: string, space: 'map' | 'pixel' = 'map'): void {
  useRastersStore().tileJson = { space } as TileJson
  useRastersStore().meta = { raster: name } as RasterMeta
}

/** The page as it is after a reload. */
function reload(name: string, space: 'map' | 'pixel' = 'map') {
  setActivePinia(createPinia())
  showRaster(name, space)
  return useAnnotationsStore()
}

beforeEach(() => localStorage.clear())
afterEach(() => vi.unstubAllGlobals())

describe('accepted objects', () => {
  it('are kept per raster over a reload, with the class used last', async () => {
    const annotations = reload('a.tif')
    annotations.className = 'roof'
    annotations.add(MASK, 'tiny')
    annotations.add(MASK, null)
    showRaster('b.tif')
    await nextTick()
    expect(annotations.objects).toEqual([])
    const again = reload('a.tif')
    expect(again.objects.map((item) => item.properties.id)).toEqual([1, 2])
    expect(again.className).toBe('roof')
    expect(again.classNames).toEqual(['roof'])
  })

  it('in pixels do not mix with those in degrees', () => {
    reload('a.tif', 'pixel').add(MASK, null)
    expect(reload('a.tif', 'map').objects).toEqual([])
  })

  it('are renamed, deleted, and brought back', () => {
    const annotations = reload('a.tif')
    for (let count = 0; count < 3; count += 1) annotations.add(MASK, null)
    annotations.setClass(2, 'pool')
    annotations.remove(2)
    expect(annotations.objects.map((item) => item.properties.id)).toEqual([1, 3])
    annotations.bringBack()
    expect(annotations.objects.map((item) => item.properties.class)).toEqual([null, 'pool', null])
    expect(annotations.removed).toBeNull()
    annotations.removeAll()
    expect(reload('a.tif').objects).toEqual([])
  })

  it('of two tabs add up', () => {
    const first = reload('a.tif')
    const second = reload('a.tif')
    first.add(MASK, null)
    second.add(MASK, null)
    expect(second.objects.map((item) => item.properties.id)).toEqual([1, 2])
    window.dispatchEvent(new StorageEvent('storage', { key: 'rs.annotations.map.a.tif' }))
    expect(first.objects).toHaveLength(2)
  })

  it('stay on the page when the storage is full, and say so', () => {
    const annotations = reload('a.tif')
    const setItem = () => {
      throw new DOMException('full', 'QuotaExceededError')
    }
    vi.stubGlobal('localStorage', { getItem: () => null, setItem })
    annotations.add(MASK, null)
    annotations.add(MASK, null)
    expect(annotations.objects).toHaveLength(2)
    expect(annotations.isStored).toBe(false)
    expect(useNoticesStore().notice?.code).toBe('storage_full')
    vi.unstubAllGlobals()
    annotations.remove(1)
    expect(annotations.isStored).toBe(true)
    expect(reload('a.tif').objects).toHaveLength(1)
  })

  it('survive a storage that holds something else', () => {
    localStorage.setItem('rs.annotations.map.a.tif', '{"not": "a list"}')
    expect(reload('a.tif').objects).toEqual([])
  })
})

describe('the download', () => {
  it('is a collection of features in the given order', () => {
    const annotations = reload('a.tif')
    annotations.add(MASK, 'tiny')
    const content = JSON.parse(toGeoJson(annotations.objects, 'map'))
    expect(content).toMatchObject({ type: 'FeatureCollection', features: [{ id: 1 }] })
    expect(content.features[0].geometry.coordinates).toEqual([RING])
    expect(content).not.toHaveProperty('note')
    expect(geoJsonName('my.scene.tif')).toBe('my.scene_objects.geojson')
  })

  it('says when its coordinates are pixels', () => {
    expect(JSON.parse(toGeoJson([], 'pixel')).note).toContain('pixels')
  })
})

describe('the colour of a class', () => {
  it('is its own, and the same each time', () => {
    expect(classColor('roof')).toBe(classColor('roof'))
    expect(classColor('roof')).not.toBe(classColor(null))
    expect(classColor('水体')).toMatch(/^#[0-9a-f]{6}$/)
  })
})
