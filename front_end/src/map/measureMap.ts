import type Geometry from 'ol/geom/Geometry'
import type LineString from 'ol/geom/LineString'
import type Polygon from 'ol/geom/Polygon'
import VectorLayer from 'ol/layer/Vector'
import type OlMap from 'ol/Map'
import { toLonLat } from 'ol/proj'
import VectorSource from 'ol/source/Vector'
import { Fill, Stroke, Style, Text } from 'ol/style'

import type { Measure, MeasureKind } from 'src/types/measure'

import { DrawingTool } from './drawing'
import { lineLength, planeArea, planeLength, ringArea } from './ellipsoid'
import { outlineStyle, showGeometry } from './overlays'
import type { Point } from './pixelConverter'
import type { RasterSpace } from './rasterSpace'

const OUTLINE = outlineStyle('#ffd166', 'rgba(255, 209, 102, 0.18)')

/** A label that is read on any imagery. */
function labelStyle(text: string): Style {
  return new Style({
    text: new Text({
      text,
      font: '600 14px system-ui, sans-serif',
      overflow: true,
      padding: [3, 6, 2, 6],
      fill: new Fill({ color: '#17262b' }),
      backgroundFill: new Fill({ color: 'rgba(255, 255, 255, 0.92)' }),
      backgroundStroke: new Stroke({ color: '#17262b', width: 1 }),
    }),
  })
}

/** Length of a line, or length around and area of a polygon: on the Earth, or in pixels where a raster has no place on it. */
function measure(geometry: Geometry, kind: MeasureKind, isOnEarth: boolean): Measure {
  const toPoints = (places: number[][]): Point[] =>
    places.map((place) => (isOnEarth ? toLonLat(place) : place) as Point)
  const length = isOnEarth ? lineLength : planeLength
  const unit = isOnEarth ? 'm' : 'px'
  if (kind === 'distance') {
    const line = toPoints((geometry as LineString).getCoordinates())
    return { length: length(line), area: null, unit }
  }
  const ring = toPoints((geometry as Polygon).getCoordinates()[0] ?? [])
  return { length: length(ring), area: (isOnEarth ? ringArea : planeArea)(ring), unit }
}

/** The part of the map where distances and areas are measured. */
export class MeasureMap {
  private readonly drawing: DrawingTool
  private readonly layer = new VectorLayer({ source: new VectorSource(), zIndex: 60 })
  private space: RasterSpace | null = null

  constructor(map: OlMap) {
    map.addLayer(this.layer)
    this.drawing = new DrawingTool(map)
    this.showLabel('')
  }

  /** Whether a click belongs to what is measured rather than to what lies under it. */
  ownsClick(click: Event): boolean {
    return this.drawing.owns(click)
  }

  showRaster(space: RasterSpace | null): void {
    this.stop()
    this.space = space
  }

  /** Measures one shape after another, each while it is drawn; a new one takes the place of the last. */
  start(kind: MeasureKind, onMeasure: (measured: Measure) => void): void {
    this.stop()
    this.drawing.startSketches(kind === 'distance' ? 'LineString' : 'Polygon', (geometry) => {
      showGeometry(this.layer, geometry)
      onMeasure(measure(geometry, kind, this.space?.kind === 'map'))
    })
  }

  /** Writes the result beside the shape. */
  showLabel(text: string): void {
    this.layer.setStyle(text === '' ? OUTLINE : [...OUTLINE, labelStyle(text)])
  }

  /** Removes the shape; the next one can be drawn. */
  clear(): void {
    this.drawing.abort()
    showGeometry(this.layer, null)
  }

  /** Whether nothing has been drawn or begun. */
  get isEmpty(): boolean {
    return this.layer.getSource()?.getFeatures().length === 0 && !this.drawing.hasSketch
  }

  finish(): void {
    this.drawing.finish()
  }

  removeLastCorner(): void {
    this.drawing.removeLastCorner()
  }

  stop(): void {
    this.drawing.stop()
    showGeometry(this.layer, null)
  }
}
