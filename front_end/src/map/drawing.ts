import type { Extent } from 'ol/extent'
import type Geometry from 'ol/geom/Geometry'
import type LineString from 'ol/geom/LineString'
import type Polygon from 'ol/geom/Polygon'
import Draw, { createBox } from 'ol/interaction/Draw'
import type OlMap from 'ol/Map'

import { sketchStyle } from './annotationLayers'

/** Lets the user draw one shape at a time on the map. */
export class DrawingTool {
  private draw: Draw | null = null
  private endedAt = 0

  constructor(private readonly map: OlMap) {}

  get isActive(): boolean {
    return this.draw !== null
  }

  /** Whether a click belongs to the drawing: one of its corners, or the last click, of which the map tells late. */
  owns(click: Event): boolean {
    return this.draw !== null || click.timeStamp <= this.endedAt
  }

  /** One box, dragged. */
  startBox(onDrawn: (extent: Extent) => void): void {
    const draw = new Draw({ type: 'Circle', geometryFunction: createBox(), freehand: true })
    this.start(draw, (geometry) => onDrawn(geometry.getExtent()))
  }

  /** One polygon, corner by corner. */
  startPolygon(onDrawn: (polygon: Polygon) => void): void {
    this.start(new Draw({ type: 'Polygon' }), (geometry) => onDrawn(geometry as Polygon))
  }

  /** One line, corner by corner. */
  startLine(onDrawn: (line: LineString) => void): void {
    const draw = new Draw({ type: 'LineString', style: sketchStyle() })
    this.start(draw, (geometry) => onDrawn(geometry as LineString))
  }

  /** Ends a line or a polygon where it is, as a double click does. */
  finish(): void {
    this.draw?.finishDrawing()
  }

  /** Takes the last corner back. */
  removeLastCorner(): void {
    this.draw?.removeLastPoint()
  }

  stop(): void {
    if (this.draw) this.map.removeInteraction(this.draw)
    this.draw = null
  }

  private start(draw: Draw, onDrawn: (geometry: Geometry) => void): void {
    this.stop()
    this.draw = draw
    draw.on('drawend', (event) => {
      this.endedAt = performance.now()
      const geometry = event.feature.getGeometry()
      if (geometry) onDrawn(geometry)
    })
    this.map.addInteraction(draw)
  }
}
