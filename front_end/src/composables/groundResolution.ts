import type { RasterMeta } from 'src/types/raster'

/** What `POST /segment` accepts as `resolution_m`, in metres per pixel. */
export const MIN_RESOLUTION_M = 0.001
export const MAX_RESOLUTION_M = 10_000

const METRE = /^(m|met(re|er)s?)$/i
/** Its metres are true at the equator only, so they say nothing about the ground. */
const WEB_MERCATOR = 3857

/** The side of a raster's pixel in metres on the ground; null where the metadata do not tell it. */
export function ownResolution(meta: RasterMeta): number | null {
  const { x_resolution: x, y_resolution: y, unit, crs } = meta
  if (!meta.georeferenced || x === null || y === null) return null
  if (!METRE.test(unit ?? '') || crs?.epsg === WEB_MERCATOR) return null
  return Math.sqrt(Math.abs(x * y))
}
