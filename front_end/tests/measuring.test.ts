import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'

import { distance, lineLength, planeArea, planeLength, ringArea } from 'src/map/ellipsoid'
import { findNorth } from 'src/map/north'
import type { Point } from 'src/map/pixelConverter'
import type { RasterSpace } from 'src/map/rasterSpace'
import { useMeasuringStore } from 'src/stores/measuring'
import { useRastersStore } from 'src/stores/rasters'
import type { RasterMeta, Transform } from 'src/types/raster'

// The expected values come from pyproj's Geod on WGS 84; edges of areas were cut into thousands of pieces.
describe('distances on the Earth', () => {
  it.each<[Point, Point, number, number]>([
    [[117, 39.74], [117.01, 39.75], 1402.6374528444537, 1e-7],
    [[10, 60], [11, 60], 55_799.4703932604, 1e-6],
    [[-70, 5], [-70, 6], 110_584.50431645266, 1e-6],
    [[10, -45], [22, -44], 959_902.4722856703, 1e-5],
  ])('from %j to %j are those of the geodesic', (from, to, expected, tolerance) => {
    expect(Math.abs(distance(from, to) / expected - 1)).toBeLessThan(tolerance)
  })

  it('add up along a line', () => {
    const line: Point[] = [[117, 39.74], [117.01, 39.75], [117, 39.74]] // prettier-ignore
    expect(lineLength(line)).toBeCloseTo(2 * 1402.6374528, 3)
    expect(lineLength([[1, 2]])).toBe(0)
  })
})

describe('areas on the Earth', () => {
  it.each<[Point[], number]>([
    [[[117, 39.74], [117.01, 39.74], [117.01, 39.75], [117, 39.75]], 951_643.1142434103], // prettier-ignore
    [[[10, 60], [12, 60], [11, 61.5]], 9_255_669_946.19047], // prettier-ignore
    [[[-1, -1], [1, -1], [1, 1], [-1, 1]], 49_233_855_576.21586], // prettier-ignore
  ])('of %j are those of the ellipsoid', (ring, expected) => {
    expect(ringArea(ring) / expected).toBeCloseTo(1, 4)
    expect(ringArea([...ring, ring[0]!]) / expected).toBeCloseTo(1, 4)
    expect(ringArea([...ring].reverse()) / expected).toBeCloseTo(1, 4)
  })
})

describe('pixels', () => {
  it('are measured as they are', () => {
    const ring: Point[] = [[0, 0], [3, 0], [3, 4], [0, 0]] // prettier-ignore
    expect(planeLength(ring)).toBe(12)
    expect(planeArea(ring)).toBe(6)
  })
})

describe('north', () => {
  const SIZE = { width: 200, height: 100 }
  const pixels = { kind: 'pixel' } as RasterSpace
  const turned = (degrees: number): Transform => {
    const [cosine, sine] = [
      Math.cos((degrees * Math.PI) / 180),
      Math.sin((degrees * Math.PI) / 180),
    ]
    return [cosine, sine, 500_000, sine, -cosine, 4_400_000]
  }
  const find = (facts: Partial<RasterMeta>) =>
    findNorth({ ...SIZE, ...facts } as RasterMeta, pixels)

  it('is straight up on a Web-Mercator map', () => {
    const meta = { ...SIZE, transform: turned(30) } as RasterMeta
    expect(findNorth(meta, { kind: 'map' } as RasterSpace)).toEqual({ angle: 0, isTrue: true })
  })

  it('is unknown without a transform', () => {
    expect(find({ transform: null })).toBeNull()
  })

  it('is where y grows without a CRS', () => {
    const north = find({ transform: turned(30), crs: null })
    expect(north?.isTrue).toBe(false)
    expect(Math.abs(north!.angle)).toBeCloseTo(30, 6)
    expect(find({ transform: turned(0), crs: null })?.angle).toBeCloseTo(0, 9)
  })

  it('is true north in pixels of a raster with a CRS, whatever way it is turned', () => {
    // On the central meridian of the zone the grid points to true north.
    const crs = { epsg: 32650, wkt: '', name: 'WGS 84 / UTM zone 50N' }
    const north = find({ transform: turned(30), crs })
    expect(north?.isTrue).toBe(true)
    expect(Math.abs(north!.angle)).toBeCloseTo(30, 2)
    // Six degrees of longitude away it does not.
    const [a, b, , d, e, f] = turned(0)
    const aside = find({ transform: [a, b, 900_000, d, e, f], crs })
    expect(aside?.angle).toBeCloseTo(-3, 0)
  })

  it('points down on a raster that is south-up', () => {
    const north = find({ transform: [1, 0, 0, 0, 1, 0], crs: null })
    expect(Math.abs(north!.angle)).toBeCloseTo(180, 6)
  })
})

describe('the measuring tool', () => {
  beforeEach(() => setActivePinia(createPinia()))

  it('forgets the result with another kind, and is laid down with another raster', () => {
    const measuring = useMeasuringStore()
    measuring.toggle('distance')
    measuring.measured = { length: 3, area: null, unit: 'm' }
    measuring.use('area')
    expect([measuring.kind, measuring.measured]).toEqual(['area', null])
    measuring.toggle('area')
    expect(measuring.kind).toBeNull()
    measuring.use('area')
    useRastersStore().meta = { raster: 'b.tif' } as RasterMeta
    expect(measuring.kind).toBeNull()
  })
})
