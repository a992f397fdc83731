import Feature from 'ol/Feature'
import type LineString from 'ol/geom/LineString'
import MultiPoint from 'ol/geom/MultiPoint'
import type Polygon from 'ol/geom/Polygon'
import VectorLayer from 'ol/layer/Vector'
import type OlMap from 'ol/Map'
import { getPointResolution } from 'ol/proj'
import VectorSource from 'ol/source/Vector'
import { Circle, Fill, Stroke, Style } from 'ol/style'

import type { Space } from 'src/types/prompt'
import type { RasterMeta } from 'src/types/raster'
import type { Position, Series, SeriesKind } from 'src/types/series'

import { DrawingTool } from './drawing'
import { outlineStyle } from './overlays'
import type { PixelConverter, Point } from './pixelConverter'
import { createPromptPlace, isOnRaster, type PromptPlace, toPosition } from './promptPlace'
import type { RasterSpace } from './rasterSpace'
import { roundDown } from './scale'
import { pointsAlong, pointsInside } from './spacing'

/** Objects closer together on the screen than this would hardly be told apart. */
const DEFAULT_SPACING_PX = 60

const SHAPE = outlineStyle('#8ef0c0', 'rgba(142, 240, 192, 0.10)', [8, 6])
const DOT = new Style({
  image: new Circle({
    radius: 4.5,
    fill: new Fill({ color: '#0b8a4a' }),
    stroke: new Stroke({ color: '#ffffff', width: 1.5 }),
  }),
})

/** The part of the map where many prompts are set at once: along a line, or on a grid in a polygon. */
export class SeriesMap {
  private readonly drawing: DrawingTool
  private readonly source = new VectorSource()
  private space: RasterSpace | null = null
  private meta: RasterMeta | null = null
  private place: PromptPlace | null = null
  private shape: LineString | Polygon | null = null

  constructor(private readonly map: OlMap) {
    map.addLayer(new VectorLayer({ source: this.source, style: SHAPE, zIndex: 48 }))
    this.drawing = new DrawingTool(map)
  }

  /** Whether a click belongs to the drawing rather than to what lies under it. */
  ownsClick(click: Event): boolean {
    return this.drawing.owns(click)
  }

  showRaster(
    meta: RasterMeta | null,
    space: RasterSpace | null,
    converter: PixelConverter | null,
  ): void {
    this.stop()
    this.meta = meta
    this.space = space
    this.place = createPromptPlace(space, converter)
  }

  /** A round distance that looks right at the present zoom, in metres, or in pixels without a place on Earth. */
  suggestSpacing(): number {
    const resolution = this.map.getView().getResolution() ?? 1
    return roundDown(DEFAULT_SPACING_PX * resolution * this.unitSize())
  }

  /** Lets the user draw lines or polygons, each in the place of the last; tells when one is complete. */
  draw(kind: SeriesKind, onDrawn: () => void): void {
    this.stop()
    const take = (shape: LineString | Polygon): void => {
      this.shape = shape
      onDrawn()
    }
    if (kind === 'line') this.drawing.startLine(take)
    else this.drawing.startPolygon(take)
  }

  /**
   * Spreads points over the shape and shows them.
   *
   * @param spacing between neighbours, in the unit of `suggestSpacing`
   * @param limit no more points than this are made
   */
  spread(spacing: number, limit: number): Series {
    const { meta, place } = this
    const none = { space: this.promptSpace, points: [] }
    if (!meta || !place || !this.shape) return none
    const points = this.spreadOnMap(spacing / this.unitSize(), limit)
      .map((point): [Point, Position] => [point, toPosition(point, place)])
      .filter(([, position]) => isOnRaster(position, meta, place))
    this.show(points.map(([point]) => point))
    return { ...none, points: points.map(([, position]) => position) }
  }

  /** Removes shape and points; the next shape can be drawn. */
  clear(): void {
    this.drawing.abort()
    this.shape = null
    this.source.clear()
  }

  /** Whether a shape has been begun and not ended. */
  get isSketching(): boolean {
    return this.drawing.hasSketch
  }

  /** Whether nothing has been drawn or begun. */
  get isEmpty(): boolean {
    return this.shape === null && !this.isSketching
  }

  finish(): void {
    this.drawing.finish()
  }

  removeLastCorner(): void {
    this.drawing.removeLastCorner()
  }

  stop(): void {
    this.clear()
    this.drawing.stop()
  }

  private get promptSpace(): Space {
    return this.place?.space ?? 'pixel'
  }

  /** Metres (or pixels) that one unit of the map's plane is long: Web Mercator stretches away from the equator. */
  private unitSize(): number {
    if (this.space?.kind !== 'map') return 1
    const view = this.map.getView()
    const middle = this.shape?.getExtent()
    const at = middle
      ? [(middle[0]! + middle[2]!) / 2, (middle[1]! + middle[3]!) / 2]
      : view.getCenter()
    return at ? getPointResolution(view.getProjection(), 1, at) : 1
  }

  private spreadOnMap(spacing: number, limit: number): Point[] {
    if (this.shape?.getType() === 'Polygon') {
      const [ring = []] = (this.shape as Polygon).getCoordinates()
      return pointsInside(ring as Point[], spacing, limit)
    }
    const line = (this.shape as LineString).getCoordinates()
    return pointsAlong(line as Point[], spacing, limit)
  }

  private show(points: Point[]): void {
    const dots = new Feature(new MultiPoint(points))
    dots.setStyle(DOT)
    this.source.clear()
    if (this.shape) this.source.addFeature(new Feature(this.shape))
    this.source.addFeature(dots)
  }
}
