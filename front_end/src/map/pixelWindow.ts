import type { Extent } from 'ol/extent'

import type { PixelWindow } from 'src/types/segmentation'

import type { PixelConverter, Point } from './pixelConverter'

const EDGE_STEPS = 8

interface Size {
  width: number
  height: number
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value))
}

/** The smallest window with all points inside, limited to the raster; null when it lies outside. */
export function boundingWindow(points: Point[], raster: Size): PixelWindow | null {
  const x = points.map((point) => point[0])
  const y = points.map((point) => point[1])
  // Half a thousandth of a pixel: a box drawn exactly on pixel edges must not grow by rounding.
  const epsilon = 5e-4
  const left = clamp(Math.floor(Math.min(...x) + epsilon), 0, raster.width)
  const top = clamp(Math.floor(Math.min(...y) + epsilon), 0, raster.height)
  const right = clamp(Math.ceil(Math.max(...x) - epsilon), 0, raster.width)
  const bottom = clamp(Math.ceil(Math.max(...y) - epsilon), 0, raster.height)
  if (right <= left || bottom <= top) return null
  return { col: left, row: top, width: right - left, height: bottom - top }
}

/** A box on the map is turned and bent in the raster's own grid, so the window holds all four corners. */
export function windowFromExtent(
  extent: Extent,
  converter: PixelConverter,
  raster: Size,
): PixelWindow | null {
  const [left = 0, bottom = 0, right = 0, top = 0] = extent
  const corners = [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ]
  return boundingWindow(corners.map(converter.toPixel), raster)
}

/** The closed outline of a window on the map, with points along the edges. */
export function windowOutline(
  window: PixelWindow,
  converter: Pick<PixelConverter, 'toMap'>,
): Point[] {
  const { col, row, width, height } = window
  const corners: Point[] = [
    [col, row],
    [col + width, row],
    [col + width, row + height],
    [col, row + height],
  ]
  const ring = corners.flatMap((corner, index): Point[] => {
    const next = corners[(index + 1) % corners.length] ?? corner
    return Array.from({ length: EDGE_STEPS }, (_, step): Point => {
      const share = step / EDGE_STEPS
      return [corner[0] + (next[0] - corner[0]) * share, corner[1] + (next[1] - corner[1]) * share]
    })
  })
  return [...ring, [col, row] as Point].map(converter.toMap)
}
