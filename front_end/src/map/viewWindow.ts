import { getIntersection, isEmpty } from 'ol/extent'
import type OlMap from 'ol/Map'

import type { RasterMeta } from 'src/types/raster'
import type { PixelWindow } from 'src/types/segmentation'

import type { PixelConverter } from './pixelConverter'
import { windowFromExtent } from './pixelWindow'
import type { RasterSpace } from './rasterSpace'

/** Called with the part of the raster in view; null where none is, or where it cannot be told in pixels. */
export type ViewListener = (window: PixelWindow | null) => void

/** Tells which pixels of the raster the map shows, each time the view comes to rest. */
export class ViewWindow {
  private meta: RasterMeta | null = null
  private space: RasterSpace | null = null
  private converter: PixelConverter | null = null

  constructor(
    private readonly map: OlMap,
    private readonly onView: ViewListener,
  ) {
    map.on('moveend', () => onView(this.find()))
  }

  showRaster(
    meta: RasterMeta | null,
    space: RasterSpace | null,
    converter: PixelConverter | null,
  ): void {
    this.meta = meta
    this.space = space
    this.converter = converter
    // The same place seen in other pixels is no move.
    this.onView(this.find())
  }

  private find(): PixelWindow | null {
    const { converter, map, meta, space } = this
    const size = map.getSize()
    if (!converter || !meta || !space || !size?.every((side) => side > 0)) return null
    // Far beside the raster its projection may not be defined.
    const extent = getIntersection(map.getView().calculateExtent(size), space.extent)
    return isEmpty(extent) ? null : windowFromExtent(extent, converter, meta)
  }
}
