import GeoJSON from 'ol/format/GeoJSON'
import type OlGeometry from 'ol/geom/Geometry'
import type OlPolygon from 'ol/geom/Polygon'

import type { AreaGeometry } from 'src/types/area'
import type { Geometry } from 'src/types/object'
import type { Space } from 'src/types/prompt'
import type { Transform } from 'src/types/raster'

import { applyTransform, invertTransform, type Point } from './pixelConverter'

const LON_LAT = { dataProjection: 'EPSG:4326', featureProjection: 'EPSG:3857' }
/** A tenth of a millimetre. */
const DEGREE_DECIMALS = 9
const PIXEL_DECIMALS = 3

const format = new GeoJSON()

/** Pixel rows count downwards, map coordinates upwards. */
function flip(geometry: OlGeometry): void {
  geometry.scale(1, -1, [0, 0])
}

/** The server's geometry (lon/lat or pixels) in the coordinates of the map. */
export function readGeometry(geometry: Geometry, space: Space): OlGeometry {
  const read = format.readGeometry(geometry, space === 'map' ? LON_LAT : undefined) as OlGeometry
  if (space === 'pixel') flip(read)
  return read
}

/** Moves every position of a geometry, in place. */
function carry(geometry: OlGeometry, transform: Transform): void {
  geometry.applyTransform((input, output = [], stride = 2) => {
    for (let index = 0; index < input.length; index += stride) {
      const place: Point = [input[index] ?? 0, input[index + 1] ?? 0]
      const [x, y] = applyTransform(transform, place)
      output[index] = x
      output[index + 1] = y
    }
    return output
  })
}

/**
 * An area of interest in the coordinates of the map.
 *
 * @param transform of the raster; an area of a raster without CRS is in its coordinates, in pixels where it is null
 */
export function readArea(
  area: AreaGeometry,
  space: Space,
  transform: Transform | null,
): OlGeometry {
  if (space === 'map') return readGeometry(area, space)
  const read = format.readGeometry(area) as OlGeometry
  const inverse = transform && invertTransform(transform)
  if (inverse) carry(read, inverse)
  flip(read)
  return read
}

/** A shape on the map as the server takes it, in lon/lat or pixels; undoes `readGeometry`. */
export function writeGeometry(geometry: OlGeometry, space: Space): Geometry {
  if (space === 'map') {
    const options = { ...LON_LAT, decimals: DEGREE_DECIMALS, rightHanded: true }
    return format.writeGeometryObject(geometry, options) as Geometry
  }
  const copy = geometry.clone()
  flip(copy)
  return format.writeGeometryObject(copy, { decimals: PIXEL_DECIMALS }) as Geometry
}

/** A polygon drawn on the map as an area of interest; undoes `readArea`. */
export function writeArea(
  polygon: OlPolygon,
  space: Space,
  transform: Transform | null,
): AreaGeometry {
  if (space === 'map' || transform === null) return writeGeometry(polygon, space) as AreaGeometry
  const copy = polygon.clone()
  flip(copy)
  carry(copy, transform)
  return format.writeGeometryObject(copy) as AreaGeometry
}
