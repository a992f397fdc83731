import type { Coordinate } from 'ol/coordinate'
import VectorLayer from 'ol/layer/Vector'
import type OlMap from 'ol/Map'
import VectorSource from 'ol/source/Vector'
import { Fill, Stroke, Style } from 'ol/style'

import type { Geometry } from 'src/types/object'
import type { Space } from 'src/types/prompt'
import type { RasterMeta } from 'src/types/raster'

import { readGeometry } from './geojson'
import { HoverPointer } from './hoverPointer'
import { showGeometry } from './overlays'
import type { PixelConverter, Point } from './pixelConverter'
import { createPromptPlace, isOnRaster, type PromptPlace, toPosition } from './promptPlace'
import type { RasterSpace } from './rasterSpace'

/** The colour of the mask that a click would give, fainter. */
const FAINT = [
  new Style({ stroke: new Stroke({ color: 'rgba(10, 25, 30, 0.5)', width: 3 }) }),
  new Style({
    stroke: new Stroke({ color: 'rgba(57, 198, 255, 0.95)', width: 1.5 }),
    fill: new Fill({ color: 'rgba(57, 198, 255, 0.12)' }),
  }),
]

export interface PreviewListeners {
  /** The mouse rests at a place of the raster. */
  onRest: (position: Point) => void
  /** It has left what was shown. */
  onLeave: () => void
  /** The map has come to rest, with this place of the raster in its middle. */
  onSettle: (position: Point) => void
}

/** The part of the map that shows what a click would take. */
export class PreviewMap {
  private readonly layer = new VectorLayer({ source: new VectorSource(), style: FAINT, zIndex: 39 })
  private readonly pointer: HoverPointer
  private listeners: PreviewListeners | null = null
  private kind: Space = 'pixel'
  private meta: RasterMeta | null = null
  private place: PromptPlace | null = null
  private settledAt = ''

  constructor(private readonly map: OlMap) {
    map.addLayer(this.layer)
    map.on('moveend', () => this.settle())
    this.pointer = new HoverPointer(map, {
      onRest: (coordinate) => this.readRest(coordinate),
      onMove: (coordinate) => this.readMove(coordinate),
    })
  }

  showRaster(
    meta: RasterMeta | null,
    space: RasterSpace | null,
    converter: PixelConverter | null,
  ): void {
    this.settledAt = ''
    this.meta = meta
    this.kind = space?.kind ?? 'pixel'
    this.place = createPromptPlace(space, converter)
  }

  /** Watches where the mouse rests; null watches no more. */
  listen(listeners: PreviewListeners | null): void {
    this.pointer.stop()
    this.listeners = listeners
    if (listeners === null) return
    this.pointer.start()
    this.settle()
  }

  show(geometry: Geometry | null): void {
    showGeometry(this.layer, geometry && readGeometry(geometry, this.kind))
  }

  private settle(): void {
    const position = this.listeners && this.findPosition(this.map.getView().getCenter())
    // After each object the map still shows the same.
    if (!position || position.join() === this.settledAt) return
    this.settledAt = position.join()
    this.listeners?.onSettle(position)
  }

  private readRest(coordinate: Coordinate): void {
    const position = this.findPosition(coordinate)
    if (position) this.listeners?.onRest(position)
  }

  /** Returns where a place of the map is on the raster; null beside it. */
  private findPosition(coordinate: Coordinate | undefined): Point | null {
    const { meta, place } = this
    if (!coordinate || !meta || !place) return null
    const position = toPosition(coordinate, place)
    return isOnRaster(position, meta, place) ? position : null
  }

  /** While the mouse moves within the outline, that stays: it would only flicker. */
  private readMove(coordinate: Coordinate | null): void {
    const shown = this.layer.getSource()?.getFeatures()[0]?.getGeometry()
    const isWithin = coordinate !== null && shown?.intersectsCoordinate(coordinate)
    if (!isWithin) this.listeners?.onLeave()
  }
}
