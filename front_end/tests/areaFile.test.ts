import { describe, expect, it } from 'vitest'

import {
  AreaFileError,
  describeArea,
  MAX_AREA_CHARACTERS,
  readAreaFile,
} from 'src/composables/areaFile'

const RING = [
  [121, 31],
  [121.1, 31],
  [121.1, 31.1],
  [121, 31],
]
const POLYGON = { type: 'Polygon', coordinates: [RING] }
const feature = (geometry: object | null) => ({ type: 'Feature', properties: {}, geometry })
const collect = (...features: object[]) => ({ type: 'FeatureCollection', features })

function read(content: unknown, space: 'map' | 'pixel' = 'map') {
  return readAreaFile(typeof content === 'string' ? content : JSON.stringify(content), space)
}

function reasonFor(content: unknown, space: 'map' | 'pixel' = 'map'): string {
  try {
    read(content, space)
  } catch (error) {
    if (error instanceof AreaFileError) return `${error.reason} ${error.detail}`.trim()
    throw error
  }
  return 'accepted'
}

describe('an area from a file', () => {
  it('is a polygon, bare or in a feature', () => {
    for (const content of [POLYGON, feature(POLYGON), collect(feature(POLYGON))]) {
      expect(read(content)).toEqual(POLYGON)
    }
  })

  it('is one MultiPolygon of all polygons', () => {
    const multi = { type: 'MultiPolygon', coordinates: [[RING], [RING]] }
    const area = read(collect(feature(POLYGON), feature(multi)))
    expect(area).toEqual({ type: 'MultiPolygon', coordinates: [[RING], [RING], [RING]] })
    expect(describeArea(area)).toEqual({ n: 3, corners: 9 })
  })

  it('loses its heights', () => {
    const high = { type: 'Polygon', coordinates: [RING.map(([x, y]) => [x, y, 12])] }
    expect(read(high)).toEqual(POLYGON)
  })

  it.each([
    ['text', '<kml/>', 'noJson'],
    ['no object', '[1, 2]', 'noJson'],
    ['nothing in it', collect(), 'empty'],
    ['a feature without a place', feature(null), 'empty'],
    ['a line', feature({ type: 'LineString', coordinates: RING }), 'noPolygon LineString'],
    [
      'a line among polygons',
      collect(feature(POLYGON), feature({ type: 'Point' })),
      'noPolygon Point',
    ],
    ['an open end', { type: 'Polygon', coordinates: [RING.slice(0, 3)] }, 'badRing'],
    ['no numbers', { type: 'Polygon', coordinates: [[['a', 'b'], ...RING]] }, 'badRing'],
    [
      'metres',
      { type: 'Polygon', coordinates: [RING.map(([x, y]) => [x! * 1e4, y])] },
      'noLonLat 1210000, 31',
    ],
  ])('is refused with its reason: %s', (_name, content, reason) => {
    expect(reasonFor(content)).toBe(reason)
  })

  it('may name longitude and latitude as its CRS, and nothing else', () => {
    const named = (name: string) => ({ ...POLYGON, crs: { type: 'name', properties: { name } } })
    expect(reasonFor(named('urn:ogc:def:crs:OGC:1.3:CRS84'))).toBe('accepted')
    expect(reasonFor(named('urn:ogc:def:crs:EPSG::4326'))).toBe('accepted')
    expect(reasonFor(named('EPSG:32650'))).toBe('otherCrs EPSG:32650')
  })

  it('may have any numbers where the raster has no CRS', () => {
    const pixels = { type: 'Polygon', coordinates: [RING.map(([x, y]) => [x! * 10, y! * 10])] }
    expect(reasonFor(pixels, 'pixel')).toBe('accepted')
  })

  it('is refused when no request could carry it', () => {
    const many = Array.from({ length: MAX_AREA_CHARACTERS / 4 }, (_, index) => [index % 9, 1])
    expect(reasonFor({ type: 'Polygon', coordinates: [many] })).toBe('tooLarge')
  })
})
