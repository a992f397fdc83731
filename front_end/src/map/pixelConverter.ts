import { fromLonLat, toLonLat } from 'ol/proj'
import proj4 from 'proj4'

import type { Bounds, Crs, RasterMeta, Transform } from 'src/types/raster'

export type Point = [number, number]

/** Converts between map coordinates of the page and (x, y) pixels of the raster. */
export interface PixelConverter {
  toPixel: (coordinate: number[]) => Point
  toMap: (pixel: Point) => Point
}

/** proj4 may leave out a datum shift; the browser's place must agree with the server's within this. */
const TOLERANCE_PX = 3
const EDGE_STEPS = 20

export function applyTransform([a, b, c, d, e, f]: Transform, [x, y]: Point): Point {
  return [a * x + b * y + c, d * x + e * y + f]
}

export function invertTransform([a, b, c, d, e, f]: Transform): Transform | null {
  const determinant = a * e - b * d
  if (determinant === 0) return null
  return [
    e / determinant,
    -b / determinant,
    (b * f - c * e) / determinant,
    -d / determinant,
    a / determinant,
    (c * d - a * f) / determinant,
  ]
}

/** Definitions of the commonest codes, exact where a WKT text may be dialect. */
function epsgDefinition(epsg: number | null): string | null {
  if (epsg === null) return null
  if (epsg === 4326 || epsg === 3857) return `EPSG:${epsg}`
  const zone = epsg % 100
  const isUtm = (epsg > 32600 && epsg <= 32660) || (epsg > 32700 && epsg <= 32760)
  if (!isUtm) return null
  return `+proj=utm +zone=${zone} ${epsg > 32700 ? '+south ' : ''}+datum=WGS84 +units=m +no_defs`
}

/** Converts between coordinates of a CRS (forward from) and lon/lat; null where proj4 does not know it. */
export function createLonLatConverter(crs: Crs): proj4.Converter | null {
  try {
    return proj4(epsgDefinition(crs.epsg) ?? crs.wkt, 'EPSG:4326')
  } catch {
    return null
  }
}

/** Points along the raster's edge: a straight pixel edge is curved in another projection. */
function edgePixels(width: number, height: number): Point[] {
  const steps = Array.from({ length: EDGE_STEPS + 1 }, (_, index) => index / EDGE_STEPS)
  return steps.flatMap((step): Point[] => [
    [step * width, 0],
    [step * width, height],
    [0, step * height],
    [width, step * height],
  ])
}

function agrees(points: Point[], bounds: Bounds, meta: RasterMeta): boolean {
  const lon = points.map((point) => point[0])
  const lat = points.map((point) => point[1])
  const toleranceLon = (TOLERANCE_PX * (bounds[2] - bounds[0])) / meta.width
  const toleranceLat = (TOLERANCE_PX * (bounds[3] - bounds[1])) / meta.height
  return (
    Math.abs(Math.min(...lon) - bounds[0]) <= toleranceLon &&
    Math.abs(Math.max(...lon) - bounds[2]) <= toleranceLon &&
    Math.abs(Math.min(...lat) - bounds[1]) <= toleranceLat &&
    Math.abs(Math.max(...lat) - bounds[3]) <= toleranceLat
  )
}

/** Across the antimeridian (west > east) longitudes go on beyond 180 degrees, as on the map. */
function unwrapBounds([west, south, east, north]: Bounds): Bounds {
  return [west, south, east < west ? east + 360 : east, north]
}

function createGeoreferencedConverter(meta: RasterMeta): PixelConverter | null {
  const { crs, transform } = meta
  const inverse = transform && invertTransform(transform)
  const lonLat = crs && createLonLatConverter(crs)
  if (!transform || !inverse || !lonLat || !meta.bounds_wgs84) return null
  const bounds = unwrapBounds(meta.bounds_wgs84)
  const unwrap = ([lon = 0, lat = 0]: number[]): Point => [
    lon < 0 && bounds[2] > 180 ? lon + 360 : lon,
    lat,
  ]
  const pixelToLonLat = (pixel: Point) => unwrap(lonLat.forward(applyTransform(transform, pixel)))
  try {
    const edge = edgePixels(meta.width, meta.height).map(pixelToLonLat)
    if (!agrees(edge, bounds, meta)) return null
  } catch {
    return null
  }
  return {
    toPixel: (coordinate) => applyTransform(inverse, lonLat.inverse(unwrap(toLonLat(coordinate)))),
    toMap: (pixel) => fromLonLat(pixelToLonLat(pixel)) as Point,
  }
}

/**
 * A converter for a raster, or null where the browser cannot convert exactly: ground control points, a projection
 * that proj4 does not know, or one where it disagrees with the server about the raster's bounds.
 */
export function createPixelConverter(
  meta: RasterMeta,
  space: 'map' | 'pixel',
): PixelConverter | null {
  if (space === 'map') return createGeoreferencedConverter(meta)
  return {
    toPixel: (coordinate) => [coordinate[0] ?? 0, -(coordinate[1] ?? 0)],
    toMap: ([x, y]) => [x, -y],
  }
}
