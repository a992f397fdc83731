import type OlMap from 'ol/Map'

import type { AreaGeometry } from 'src/types/area'
import type { RasterMeta } from 'src/types/raster'
import type { PixelWindow } from 'src/types/segmentation'

import { DrawingTool } from './drawing'
import { readArea, writeArea } from './geojson'
import { createAreaLayer, createWindowLayer, showGeometry, showOutline } from './overlays'
import type { PixelConverter } from './pixelConverter'
import { windowFromExtent, windowOutline } from './pixelWindow'
import type { RasterSpace } from './rasterSpace'

/** The part of the map where one chooses what to segment: a window of pixels, an area of interest. */
export class ZoneMap {
  private readonly areaLayer = createAreaLayer()
  private readonly windowLayer = createWindowLayer()
  private readonly drawing: DrawingTool
  private meta: RasterMeta | null = null
  private space: RasterSpace | null = null
  private converter: PixelConverter | null = null

  constructor(map: OlMap) {
    map.addLayer(this.areaLayer)
    map.addLayer(this.windowLayer)
    this.drawing = new DrawingTool(map)
  }

  /** Whether a click belongs to a drawing rather than to what lies under it. */
  ownsClick(click: Event): boolean {
    return this.drawing.owns(click)
  }

  showRaster(
    meta: RasterMeta | null,
    space: RasterSpace | null,
    converter: PixelConverter | null,
  ): void {
    this.drawing.stop()
    this.meta = meta
    this.space = space
    this.converter = converter
  }

  /** Lets the user draw one box; `onDrawn` gets null when it lies outside the raster. */
  drawWindow(onDrawn: (window: PixelWindow | null) => void): void {
    const { converter, meta } = this
    if (!converter || !meta) return
    this.drawing.startBox((extent) => onDrawn(windowFromExtent(extent, converter, meta)))
  }

  /** Lets the user draw one polygon. */
  drawArea(onDrawn: (area: AreaGeometry) => void): void {
    const { space, meta } = this
    if (!space || !meta) return
    this.drawing.startPolygon((polygon) => onDrawn(writeArea(polygon, space.kind, meta.transform)))
  }

  stopDrawing(): void {
    this.drawing.stop()
  }

  showWindow(window: PixelWindow | null): void {
    const { converter } = this
    showOutline(this.windowLayer, window && converter && windowOutline(window, converter))
  }

  showArea(area: AreaGeometry | null): void {
    const { space, meta } = this
    showGeometry(
      this.areaLayer,
      area && space && meta && readArea(area, space.kind, meta.transform),
    )
  }
}
