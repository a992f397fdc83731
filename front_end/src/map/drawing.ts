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
  private isSketching = false

  constructor(private readonly map: OlMap) {}

  get isActive(): boolean {
    return this.draw !== null
  }

  /** Whether a shape has been begun and not ended. */
  get hasSketch(): boolean {
    return this.isSketching
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

  /** Lines or polygons one after another; tells of each whenever it changes while it is drawn. */
  startSketches(type: 'LineString' | 'Polygon', onSketch: (geometry: Geometry) => void): void {
    const draw = new Draw({ type, style: sketchStyle() })
    draw.on('drawstart', (event) => {
      const geometry = event.feature.getGeometry()
      geometry?.on('change', () => onSketch(geometry))
    })
    this.start(draw, onSketch)
  }

  /** Ends a line or a polygon where it is, as a double click does. */
  finish(): void {
    this.draw?.finishDrawing()
  }

  /** Takes the last corner back. */
  removeLastCorner(): void {
    this.draw?.removeLastPoint()
  }

  /** Gives up what is drawn now; the next can be drawn. */
  abort(): void {
    this.draw?.abortDrawing()
  }

  stop(): void {
    if (this.draw) this.map.removeInteraction(this.draw)
    this.draw = null
    this.isSketching = false
  }

  private start(draw: Draw, onDrawn: (geometry: Geometry) => void): void {
    this.stop()
    this.draw = draw
    draw.on('drawstart', () => (this.isSketching = true))
    draw.on('drawabort', () => (this.isSketching = false))
    draw.on('drawend', (event) => {
      this.isSketching = false
      this.endedAt = performance.now()
      const geometry = event.feature.getGeometry()
      if (geometry) onDrawn(geometry)
    })
    this.map.addInteraction(draw)
  }
}
