import OlMap from 'ol/Map'
import { fromLonLat } from 'ol/proj'
import View from 'ol/View'
import { describe, expect, it, vi } from 'vitest'

import { applyTransform, createPixelConverter, invertTransform } from 'src/map/pixelConverter'
import { boundingWindow, windowFromExtent, windowOutline } from 'src/map/pixelWindow'
import { createRasterSpace } from 'src/map/rasterSpace'
import { ViewWindow } from 'src/map/viewWindow'
import type { RasterMeta, Transform } from 'src/types/raster'

// 1200 x 900 pixels of half a metre in UTM zone 51 north; the bounds are PROJ's.
const UTM_META = {
  width: 1200,
  height: 900,
  crs: { epsg: 32651, wkt: '', name: 'WGS 84 / UTM zone 51N' },
  transform: [0.5, 0, 354000, 0, -0.5, 3456000] as Transform,
  bounds_wgs84: [121.46706937, 31.22499449, 121.47343244, 31.22912827],
} as unknown as RasterMeta

describe('transforms', () => {
  it('are undone by their inverse, rotated ones too', () => {
    const transform: Transform = [0.4, 0.3, 500, 0.3, -0.4, 900]
    const inverse = invertTransform(transform) as Transform
    const [x, y] = applyTransform(inverse, applyTransform(transform, [123.25, 45.5]))
    expect(x).toBeCloseTo(123.25, 9)
    expect(y).toBeCloseTo(45.5, 9)
  })

  it('that flatten the raster have no inverse', () => {
    expect(invertTransform([1, 1, 0, 1, 1, 0])).toBeNull()
  })
})

describe('createPixelConverter', () => {
  it('goes from pixel to map and back within a thousandth of a pixel', () => {
    const converter = createPixelConverter(UTM_META, 'map')
    const [x, y] = converter!.toPixel(converter!.toMap([17.5, 860.25]))
    expect(x).toBeCloseTo(17.5, 3)
    expect(y).toBeCloseTo(860.25, 3)
  })

  it('puts a place on the pixel that PROJ puts it on', () => {
    const place = fromLonLat([121.4686583703046, 31.228170135438827])
    const [x, y] = createPixelConverter(UTM_META, 'map')!.toPixel(place)
    expect(x).toBeCloseTo(300, 2)
    expect(y).toBeCloseTo(200, 2)
  })

  it('refuses where it disagrees with the server, and what it cannot read', () => {
    const shifted = { ...UTM_META, bounds_wgs84: [121.468, 31.225, 121.4744, 31.2292] }
    expect(createPixelConverter(shifted as RasterMeta, 'map')).toBeNull()
    const unknown = { ...UTM_META, crs: { epsg: null, wkt: 'LOCAL_CS["site"]', name: 'site' } }
    expect(createPixelConverter(unknown as RasterMeta, 'map')).toBeNull()
    expect(createPixelConverter({ ...UTM_META, transform: null }, 'map')).toBeNull()
  })

  it('goes on beyond 180 degrees across the antimeridian', () => {
    const meta = {
      ...UTM_META,
      crs: { epsg: 4326, wkt: '', name: 'WGS 84' },
      transform: [0.01, 0, 174, 0, -0.01, -10],
      bounds_wgs84: [174, -19, -174, -10],
    }
    const converter = createPixelConverter(meta as RasterMeta, 'map')
    const place = converter!.toMap([900, 450])
    expect(place[0]).toBeCloseTo(fromLonLat([183, -14.5])[0]!, 3)
    expect(converter!.toPixel(place)[0]).toBeCloseTo(900, 3)
  })

  it('counts rows downwards in pixel space', () => {
    expect(createPixelConverter(UTM_META, 'pixel')!.toPixel([10, -20])).toEqual([10, 20])
  })
})

describe('windows', () => {
  const raster = { width: 700, height: 500 }

  it('are exactly the pixels of a box in pixel space', () => {
    const converter = createPixelConverter(UTM_META, 'pixel')!
    const window = windowFromExtent([100, -250, 300, -50], converter, raster)
    expect(window).toEqual({ col: 100, row: 50, width: 200, height: 200 })
  })

  it('hold every corner, and end at the edge of the raster', () => {
    const corners: [number, number][] = [
      [-5, 3.2],
      [10.4, -2],
      [20.1, 30],
      [4, 40.9],
    ]
    expect(boundingWindow(corners, raster)).toEqual({ col: 0, row: 0, width: 21, height: 41 })
  })

  it('outside the raster are none', () => {
    expect(
      boundingWindow(
        [
          [701, 10],
          [800, 20],
        ],
        raster,
      ),
    ).toBeNull()
  })

  it('are outlined by a closed ring', () => {
    const converter = createPixelConverter(UTM_META, 'pixel')!
    const ring = windowOutline({ col: 1, row: 2, width: 3, height: 4 }, converter)
    expect(ring[0]).toEqual(ring.at(-1))
    expect(Math.min(...ring.map((point) => point[1]))).toBe(-6)
  })
})

describe('the window in view', () => {
  const meta = { width: 100, height: 80 } as RasterMeta
  const space = createRasterSpace({
    tilejson: '3.0.0',
    space: 'pixel',
    tiles: [],
    minzoom: 0,
    maxzoom: 0,
    width: 100,
    height: 80,
    tile_size: 256,
  })

  it('is what the map shows of the raster', () => {
    const map = new OlMap({ controls: [], view: new View({ center: [60, -50], resolution: 0.5 }) })
    const onView = vi.fn()
    const window = new ViewWindow(map, onView)
    const look = () => window.showRaster(meta, space, createPixelConverter(meta, 'pixel'))
    look()
    map.setSize([60, 100])
    look()
    map.getView().setCenter([95, -75])
    map.dispatchEvent('moveend')
    map.getView().setCenter([300, -300])
    map.dispatchEvent('moveend')
    window.showRaster(meta, space, null)
    expect(onView.mock.calls.map(([found]: unknown[]) => found)).toEqual([
      null,
      { col: 45, row: 25, width: 30, height: 50 },
      { col: 80, row: 50, width: 20, height: 30 },
      null,
      null,
    ])
  })
})
