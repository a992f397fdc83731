import type { RasterMeta, Transform } from 'src/types/raster'

import {
  applyTransform,
  createLonLatConverter,
  invertTransform,
  type Point,
} from './pixelConverter'
import type { RasterSpace } from './rasterSpace'

/** Where north is on the screen. */
export interface North {
  /** Clockwise from straight up, in degrees. */
  angle: number
  /** Whether it is true north; otherwise the direction in which y grows, as nothing more is known. */
  isTrue: boolean
}

/** A step to the north that is straight in any projection. */
const STEP_DEG = 1e-4

/** The direction from one pixel to another, clockwise from straight up. */
function angleTowards([x0, y0]: Point, [x1, y1]: Point): number {
  return (Math.atan2(x1 - x0, y0 - y1) * 180) / Math.PI
}

/** True north in the middle of a raster; null where the browser does not know its CRS. */
function findTrueNorth(meta: RasterMeta, transform: Transform, inverse: Transform): number | null {
  const lonLat = meta.crs && createLonLatConverter(meta.crs)
  if (!lonLat) return null
  const middle: Point = [meta.width / 2, meta.height / 2]
  try {
    const [lon, lat] = lonLat.forward(applyTransform(transform, middle))
    // From beyond the pole north would be behind.
    const ahead = lonLat.inverse([lon, Math.min(lat + STEP_DEG, 90)]) as Point
    const angle = angleTowards(middle, applyTransform(inverse, ahead))
    return Number.isFinite(angle) ? angle : null
  } catch {
    return null
  }
}

/** North as a raster is shown; null where it has none. */
export function findNorth(meta: RasterMeta | null, space: RasterSpace | null): North | null {
  if (meta === null || space === null) return null
  // Web Mercator has north straight up everywhere.
  if (space.kind === 'map') return { angle: 0, isTrue: true }
  const inverse = meta.transform && invertTransform(meta.transform)
  if (!meta.transform || !inverse) return null
  const angle = findTrueNorth(meta, meta.transform, inverse)
  if (angle !== null) return { angle, isTrue: true }
  const origin = applyTransform(inverse, [0, 0])
  return { angle: angleTowards(origin, applyTransform(inverse, [0, 1])), isTrue: false }
}
