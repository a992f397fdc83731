import type { Coordinate } from 'ol/coordinate'
import type { EventsKey } from 'ol/events'
import Feature from 'ol/Feature'
import PointGeometry from 'ol/geom/Point'
import VectorLayer from 'ol/layer/Vector'
import type OlMap from 'ol/Map'
import { unByKey } from 'ol/Observable'
import VectorSource from 'ol/source/Vector'
import { Circle, Fill, Stroke, Style } from 'ol/style'

import type { RasterMeta } from 'src/types/raster'

import { zoomByDoubleClick } from './doubleClick'
import type { PixelConverter } from './pixelConverter'
import { createPromptPlace, isOnRaster, type PromptPlace, toPosition } from './promptPlace'
import type { RasterSpace } from './rasterSpace'

export interface ExampleListeners {
  onPoint: (x: number, y: number) => void
  /** A click beside the raster. */
  onOutside: () => void
}

/** A click, in the colour of its class. */
export interface ShownExample {
  x: number
  y: number
  color: string
}

/** A dot with a white rim and a dark line around it, seen on any imagery and on its own class. */
function dotStyle(color: string): Style[] {
  const dot = new Circle({
    radius: 6,
    fill: new Fill({ color }),
    stroke: new Stroke({ color: '#ffffff', width: 2.5 }),
  })
  const rim = new Circle({ radius: 8, stroke: new Stroke({ color: '#17262b', width: 1 }) })
  return [new Style({ image: dot }), new Style({ image: rim })]
}

/** The part of the map where classes are shown by clicks. */
export class ExampleMap {
  private readonly source = new VectorSource()
  private listeners: ExampleListeners | null = null
  private click: EventsKey | null = null
  private meta: RasterMeta | null = null
  private place: PromptPlace | null = null

  constructor(private readonly map: OlMap) {
    map.addLayer(new VectorLayer({ source: this.source, zIndex: 49 }))
  }

  /** Whether clicks show a class rather than ask what lies under them. */
  ownsClick(): boolean {
    return this.listeners !== null
  }

  showRaster(
    meta: RasterMeta | null,
    space: RasterSpace | null,
    converter: PixelConverter | null,
  ): void {
    this.meta = meta
    this.place = createPromptPlace(space, converter)
  }

  /** Takes clicks; null takes none. */
  listen(listeners: ExampleListeners | null): void {
    if (this.click !== null) {
      unByKey(this.click)
      this.click = null
      zoomByDoubleClick(this.map, true)
    }
    this.listeners = listeners
    if (listeners === null) return
    this.click = this.map.on('click', ({ coordinate }) => this.read(coordinate))
    zoomByDoubleClick(this.map, false)
  }

  /** Acts as a click in the middle of the map, for those who use no pointer. */
  clickCentre(): void {
    const centre = this.map.getView().getCenter()
    if (centre) this.read(centre)
  }

  show(examples: readonly ShownExample[]): void {
    const { place } = this
    this.source.clear()
    if (place === null) return
    const features = examples.map(({ x, y, color }) => {
      const feature = new Feature(new PointGeometry(place.toMap([x, y])))
      feature.setStyle(dotStyle(color))
      return feature
    })
    this.source.addFeatures(features)
  }

  private read(coordinate: Coordinate): void {
    const { listeners, meta, place } = this
    if (!listeners || !meta || !place) return
    const [x, y] = toPosition(coordinate, place)
    if (isOnRaster([x, y], meta, place)) listeners.onPoint(x, y)
    else listeners.onOutside()
  }
}
