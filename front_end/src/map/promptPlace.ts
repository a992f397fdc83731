import { fromLonLat, toLonLat } from 'ol/proj'

import type { PromptBox, Space } from 'src/types/prompt'

import type { Corners } from './boxInteraction'
import type { PixelConverter, Point } from './pixelConverter'
import { windowOutline } from './pixelWindow'
import type { RasterSpace } from './rasterSpace'

/** Beyond these decimals a position means nothing: thousandths of a pixel, tenths of a millimetre. */
const DECIMALS: Record<Space, number> = { pixel: 3, map: 9 }

interface Size {
  width: number
  height: number
}

/** How places on the map become prompts, and prompts places on the map. */
export interface PromptPlace {
  /** The coordinates that prompts are in. */
  space: Space
  toPrompt: (coordinate: number[]) => Point
  toMap: (position: Point) => Point
}

/**
 * Prompts are pixels, so that a box is one of the raster's own grid. Where the browser cannot convert exactly they are
 * lon/lat, and the server does it.
 */
export function createPromptPlace(
  space: RasterSpace | null,
  converter: PixelConverter | null,
): PromptPlace | null {
  if (space === null) return null
  if (converter !== null) {
    return { space: 'pixel', toPrompt: converter.toPixel, toMap: converter.toMap }
  }
  return {
    space: 'map',
    toPrompt: (coordinate) => toLonLat(coordinate) as Point,
    toMap: (position) => fromLonLat(position) as Point,
  }
}

export function toPosition(coordinate: number[], place: PromptPlace): Point {
  const digits = DECIMALS[place.space]
  return place.toPrompt(coordinate).map((value) => Number(value.toFixed(digits))) as Point
}

/** The box of the raster's grid between two corners; on a rotated raster it stands as the raster does. */
export function toBox(corners: Corners, place: PromptPlace): PromptBox {
  const [[x0, y0], [x1, y1]] = corners.map((corner) => toPosition(corner, place)) as [Point, Point]
  return [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)]
}

/** The closed outline of a box on the map. */
export function boxOutline([x0, y0, x1, y1]: PromptBox, place: PromptPlace): Point[] {
  return windowOutline({ col: x0, row: y0, width: x1 - x0, height: y1 - y0 }, place)
}

/** Whether a position lies on a raster of this size; lon/lat are left to the server. */
export function isOnRaster([x, y]: Point, raster: Size, place: PromptPlace): boolean {
  return place.space === 'map' || (x >= 0 && y >= 0 && x < raster.width && y < raster.height)
}

/** A box limited to the raster; null when it lies outside. */
export function limitBox(box: PromptBox, raster: Size, place: PromptPlace): PromptBox | null {
  if (place.space === 'map') return box
  const [x0, y0, x1, y1] = box
  const limited: PromptBox = [
    Math.max(0, x0),
    Math.max(0, y0),
    Math.min(raster.width, x1),
    Math.min(raster.height, y1),
  ]
  return limited[0] < limited[2] && limited[1] < limited[3] ? limited : null
}
