import { buffer, getCenter, getHeight, getWidth } from 'ol/extent'
import View from 'ol/View'

import type { RasterSpace } from './rasterSpace'

/** How far beyond true pixels one can zoom in. */
const MAGNIFICATION = 32
/** At the farthest, the raster's longer side is this long on the screen. */
const SMALLEST_SIDE_PX = 128

/** A north-up view that stays near the raster. */
export function createView(space: RasterSpace): View {
  const { extent, projection, nativeResolution } = space
  const size = Math.max(getWidth(extent), getHeight(extent))
  return new View({
    projection,
    center: getCenter(extent),
    resolution: size / 512,
    maxResolution: Math.max(size / SMALLEST_SIDE_PX, nativeResolution),
    minResolution: nativeResolution / MAGNIFICATION,
    extent: buffer(extent, size / 2),
    constrainOnlyCenter: true,
    enableRotation: false,
  })
}
