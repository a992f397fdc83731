import type { AreaGeometry, PolygonCoordinates } from 'src/types/area'
import type { Space } from 'src/types/prompt'

/** A request may have a megabyte; the rest of it needs little. */
export const MAX_AREA_CHARACTERS = 900_000
/** How GeoJSON files say that they are in longitude and latitude, if they say anything. */
const LON_LAT_CRS = /(CRS84|EPSG:{1,2}4326)$/i
const MIN_RING_POSITIONS = 4

/** Why a file cannot be an area; `reason` names a message of the page, `detail` what was found. */
export class AreaFileError extends Error {
  constructor(
    readonly reason:
      'noJson' | 'empty' | 'noPolygon' | 'otherCrs' | 'badRing' | 'noLonLat' | 'tooLarge',
    readonly detail = '',
  ) {
    super(`${reason}: ${detail}`)
    this.name = 'AreaFileError'
  }
}

type Json = Record<string, unknown>

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parse(text: string): Json {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw new AreaFileError('noJson')
  }
  if (!isObject(content)) throw new AreaFileError('noJson')
  return content
}

/** Before 2016 GeoJSON could be in any CRS, and said so in the file. */
function checkCrs(content: Json): void {
  if (!isObject(content.crs) || !isObject(content.crs.properties)) return
  const name = String(content.crs.properties.name ?? '')
  if (name !== '' && !LON_LAT_CRS.test(name)) throw new AreaFileError('otherCrs', name)
}

function readPosition(value: unknown): number[] {
  const position = Array.isArray(value) ? value.slice(0, 2) : []
  if (position.length < 2 || !position.every(Number.isFinite)) throw new AreaFileError('badRing')
  return position as number[]
}

function readPolygon(value: unknown): PolygonCoordinates {
  if (!Array.isArray(value) || value.length === 0) throw new AreaFileError('badRing')
  return value.map((ring: unknown) => {
    if (!Array.isArray(ring) || ring.length < MIN_RING_POSITIONS) throw new AreaFileError('badRing')
    return ring.map(readPosition)
  })
}

/** All polygons in a GeoJSON object, however deep they lie. */
function collectPolygons(content: unknown): PolygonCoordinates[] {
  if (!isObject(content)) throw new AreaFileError('empty')
  const { type, features, geometry, geometries, coordinates } = content
  if (type === 'FeatureCollection' && Array.isArray(features)) {
    return features.flatMap(collectPolygons)
  }
  if (type === 'GeometryCollection' && Array.isArray(geometries)) {
    return geometries.flatMap(collectPolygons)
  }
  if (type === 'Feature') return collectPolygons(geometry)
  if (type === 'Polygon') return [readPolygon(coordinates)]
  if (type === 'MultiPolygon' && Array.isArray(coordinates)) return coordinates.map(readPolygon)
  throw new AreaFileError('noPolygon', String(type))
}

function isLonLat([lon = 0, lat = 0]: number[]): boolean {
  return Math.abs(lon) <= 360 && Math.abs(lat) <= 90
}

/**
 * The area in a GeoJSON file: its polygon, or all of them as one MultiPolygon.
 *
 * @param space in which the raster wants it
 * @throws AreaFileError when it is anything else
 */
export function readAreaFile(text: string, space: Space): AreaGeometry {
  const content = parse(text)
  checkCrs(content)
  const polygons = collectPolygons(content)
  const [first] = polygons
  if (first === undefined) throw new AreaFileError('empty')
  const stranger = space === 'map' && polygons.flat(2).find((position) => !isLonLat(position))
  if (stranger) throw new AreaFileError('noLonLat', stranger.join(', '))
  const area: AreaGeometry =
    polygons.length === 1
      ? { type: 'Polygon', coordinates: first }
      : { type: 'MultiPolygon', coordinates: polygons }
  if (JSON.stringify(area).length > MAX_AREA_CHARACTERS) throw new AreaFileError('tooLarge')
  return area
}

/** How many polygons and corners an area has, to tell one from another. */
export function describeArea(area: AreaGeometry): { n: number; corners: number } {
  const polygons = area.type === 'Polygon' ? [area.coordinates] : area.coordinates
  // A ring ends where it begins.
  const corners = polygons.flat().reduce((sum, ring) => sum + ring.length - 1, 0)
  return { n: polygons.length, corners }
}
