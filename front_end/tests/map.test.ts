import { describe, expect, it } from 'vitest'

import { createRasterSpace, pixelResolutions } from 'src/map/rasterSpace'
import { createScaleBar, roundDown } from 'src/map/scale'

describe('pixel space', () => {
  const space = createRasterSpace({
    tilejson: '3.0.0',
    space: 'pixel',
    tiles: [],
    minzoom: 0,
    maxzoom: 2,
    width: 700,
    height: 500,
    tile_size: 256,
  })

  it('ends at full resolution', () => {
    expect(pixelResolutions(2)).toEqual([4, 2, 1])
    expect(space.nativeResolution).toBe(1)
  })

  it('counts tiles from the top left corner', () => {
    const grid = space.createSource('/t/{z}/{x}/{y}.png').getTileGrid()!
    expect(grid.getTileCoordForCoordAndZ([10, -10], 2)).toEqual([2, 0, 0])
    expect(grid.getTileCoordForCoordAndZ([300, -400], 2)).toEqual([2, 1, 1])
    expect(space.extent).toEqual([0, -500, 700, 0])
  })
})

describe('map space', () => {
  it('stays finite up to the poles', () => {
    const space = createRasterSpace({
      tilejson: '3.0.0',
      space: 'map',
      tiles: [],
      minzoom: 0,
      maxzoom: 4,
      bounds: [-180, -90, 180, 90],
    })
    expect(space.extent.every(Number.isFinite)).toBe(true)
    expect(space.nativeResolution).toBeCloseTo(156543.034 / 16, 1)
  })
})

describe('across the antimeridian', () => {
  it('the extent goes on beyond 180 degrees and the tiles start again', () => {
    const space = createRasterSpace({
      tilejson: '3.0.0',
      space: 'map',
      tiles: [],
      minzoom: 0,
      maxzoom: 4,
      bounds: [170, -10, -170, 10],
    })
    expect(space.extent[2]! - space.extent[0]!).toBeCloseTo(2226389.8, 0)
    expect(space.createSource('/{z}').getWrapX()).toBe(true)
  })
})

describe('scale bar', () => {
  it('has a round length', () => {
    expect([0.7, 1, 4.99, 25, 1234].map(roundDown)).toEqual([0.5, 1, 2, 20, 1000])
    expect(createScaleBar(0.5, 'm')).toEqual({ widthPx: 100, label: '50 m' })
    expect(createScaleBar(100, 'm').label).toBe('10 km')
    expect(createScaleBar(0.001, 'm').label).toBe('10 cm')
  })

  it('is never shorter than one pixel of the raster', () => {
    expect(createScaleBar(1 / 200, 'px')).toEqual({ widthPx: 200, label: '1 px' })
  })
})
