import { toLonLat } from 'ol/proj'

import type { RasterMeta } from 'src/types/raster'

import { applyTransform, type PixelConverter, type Point } from './pixelConverter'
import type { RasterSpace } from './rasterSpace'

/** A place under the pointer; `pixel` and `own` are null where the browser cannot convert exactly. */
export interface PointerPosition {
  lonLat: Point | null
  /** In the coordinates of the raster: its CRS, or what its transform says where it has none. */
  own: Point | null
  pixel: Point | null
}

/** All that is known of a place on the map. */
export function describePlace(
  coordinate: number[],
  space: RasterSpace,
  meta: RasterMeta | null,
  converter: PixelConverter | null,
): PointerPosition {
  const pixel = converter?.toPixel(coordinate) ?? null
  const transform = meta?.transform ?? null
  return {
    lonLat: space.kind === 'map' ? (toLonLat(coordinate) as Point) : null,
    own: pixel && transform && applyTransform(transform, pixel),
    pixel,
  }
}
