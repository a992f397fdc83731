import Polygon from 'ol/geom/Polygon'
import { fromLonLat } from 'ol/proj'
import { describe, expect, it } from 'vitest'

import { readArea, readGeometry, writeArea } from 'src/map/geojson'
import { createPixelConverter, type Point } from 'src/map/pixelConverter'
import {
  boxOutline,
  createPromptPlace,
  isOnRaster,
  limitBox,
  toBox,
  toPosition,
} from 'src/map/promptPlace'
import { createRasterSpace, type RasterSpace } from 'src/map/rasterSpace'
import type { RasterMeta, Transform } from 'src/types/raster'

const SIZE = { width: 400, height: 300 }
const MAP_SPACE = { kind: 'map' } as RasterSpace
const PIXEL_SPACE = createRasterSpace({
  tilejson: '3.0.0',
  space: 'pixel',
  tiles: [],
  minzoom: 0,
  maxzoom: 1,
  tile_size: 256,
  ...SIZE,
})

/** Degrees in a plain grid, so that bounds are known without a projection. */
function geographic(transform: Transform): RasterMeta {
  const [a, b, c, d, e, f] = transform
  const x = [c, c + a * 400, c + b * 300, c + a * 400 + b * 300]
  const y = [f, f + d * 400, f + e * 300, f + d * 400 + e * 300]
  const bounds = [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)]
  const crs = { epsg: 4326, wkt: '', name: 'WGS 84' }
  return { ...SIZE, crs, transform, bounds_wgs84: bounds } as unknown as RasterMeta
}

const RASTERS: [name: string, meta: RasterMeta][] = [
  ['north-up', geographic([1e-4, 0, 12, 0, -1e-4, 48])],
  ['south-up', geographic([1e-4, 0, 12, 0, 1e-4, 48])],
  ['rotated', geographic([8e-5, 6e-5, 12, 6e-5, -8e-5, 48])],
]

describe.each(RASTERS)('prompts on a %s raster', (_name, meta) => {
  const converter = createPixelConverter(meta, 'map')
  const place = createPromptPlace(MAP_SPACE, converter)!

  it('are the pixels of their place on Earth', () => {
    const [a, b, c, d, e, f] = meta.transform!
    const lonLat = [c + a * 100.5 + b * 40.25, f + d * 100.5 + e * 40.25]
    const [x, y] = toPosition(fromLonLat(lonLat), place)
    expect(place.space).toBe('pixel')
    expect(x).toBeCloseTo(100.5, 2)
    expect(y).toBeCloseTo(40.25, 2)
  })

  it('are boxes of its own grid, whichever way they are dragged', () => {
    const corners = [place.toMap([50, 200]), place.toMap([10, 20])] as [Point, Point]
    const box = toBox(corners, place)
    expect(box.map((value) => Math.round(value))).toEqual([10, 20, 50, 200])
    const ring = boxOutline(box, place)
    expect(ring[0]).toEqual(ring.at(-1))
    expect(place.toPrompt(ring[0]!)[0]).toBeCloseTo(10, 1)
  })
})

describe('prompts without georeferencing', () => {
  const place = createPromptPlace(PIXEL_SPACE, createPixelConverter({} as RasterMeta, 'pixel'))!

  it('are pixels, with y downwards', () => {
    expect(toPosition([10.12345, -20], place)).toEqual([10.123, 20])
  })

  it('stay on the raster', () => {
    expect(isOnRaster([0, 299.9], SIZE, place)).toBe(true)
    expect(isOnRaster([400, 0], SIZE, place)).toBe(false)
    expect(isOnRaster([10, -1], SIZE, place)).toBe(false)
    expect(limitBox([-5, 10, 20, 900], SIZE, place)).toEqual([0, 10, 20, 300])
    expect(limitBox([401, 10, 420, 30], SIZE, place)).toBeNull()
  })
})

describe('prompts where the browser cannot convert', () => {
  it('are longitude and latitude', () => {
    const place = createPromptPlace(MAP_SPACE, null)!
    const [lon, lat] = toPosition(fromLonLat([12.5, 48.25]), place)
    expect(place.space).toBe('map')
    expect([lon, lat]).toEqual([expect.closeTo(12.5, 8), expect.closeTo(48.25, 8)])
    expect(isOnRaster([12.5, 48.25], SIZE, place)).toBe(true)
  })
})

describe('GeoJSON on the map', () => {
  const square = { type: 'Polygon', coordinates: [[[1, 2], [5, 2], [5, 6], [1, 2]]] } // prettier-ignore

  it('of a raster without CRS has rows downwards', () => {
    expect(readGeometry(square, 'pixel').getExtent()).toEqual([1, -6, 5, -2])
  })

  it('of a georeferenced raster is in degrees', () => {
    const [left] = readGeometry(square, 'map').getExtent()
    expect(left).toBeCloseTo(fromLonLat([1, 2])[0]!, 6)
  })
})

describe('an area of interest', () => {
  const ring = [[10, -10], [60, -10], [60, -40], [10, -10]] // prettier-ignore

  it('is in longitude and latitude, and beyond 180 degrees across the antimeridian', () => {
    const onMap = [[179, 1], [181, 1], [181, 2], [179, 1]].map((place) => fromLonLat(place)) // prettier-ignore
    const area = writeArea(new Polygon([onMap]), 'map', null)
    const longitudes = (area.coordinates as number[][][])[0]!.map((place) => Math.round(place[0]!))
    expect([...new Set(longitudes)].sort()).toEqual([179, 181])
  })

  it('is in pixels without a CRS', () => {
    const area = writeArea(new Polygon([ring]), 'pixel', null)
    expect(area.type).toBe('Polygon')
    expect((area.coordinates as number[][][])[0]).toContainEqual([60, 40])
    expect(readArea(area, 'pixel', null).getExtent()).toEqual([10, -40, 60, -10])
  })

  it('is in the coordinates of the transform where there is one without a CRS', () => {
    const transform: Transform = [0.5, 0, 1000, 0, -0.5, 2000]
    const area = writeArea(new Polygon([ring]), 'pixel', transform)
    expect((area.coordinates as number[][][])[0]).toContainEqual([1030, 1980])
    expect(readArea(area, 'pixel', transform).getExtent()).toEqual([10, -40, 60, -10])
  })
})
