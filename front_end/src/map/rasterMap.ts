import 'ol/ol.css'

import type { MapBrowserEvent } from 'ol'
import TileLayer from 'ol/layer/Tile'
import OlMap from 'ol/Map'
import { getPointResolution, toLonLat } from 'ol/proj'
import type XYZ from 'ol/source/XYZ'

import type { ObjectFeature } from 'src/types/object'
import type { RasterMeta, TileJson } from 'src/types/raster'

import { AnnotationMap } from './annotationMap'
import { CandidateMap } from './candidateMap'
import { readGeometry } from './geojson'
import { createHighlightLayer, showGeometry } from './overlays'
import { createPixelConverter, type PixelConverter, type Point } from './pixelConverter'
import { PromptMap } from './promptMap'
import { createRasterSpace, type RasterSpace } from './rasterSpace'
import { createScaleBar, type ScaleBar } from './scale'
import { clipAtSwipe, drawPixelsBeyond } from './tileRendering'
import { createView } from './view'
import { type ViewListener, ViewWindow } from './viewWindow'
import { ZoneMap } from './zoneMap'

const FIT_PADDING_PX = [28, 28, 44, 28]

/** A place under the pointer: `pixel` is null where the browser cannot convert exactly. */
export interface PointerPosition {
  lonLat: Point | null
  pixel: Point | null
}

export interface RasterMapListeners {
  onPointer: (position: PointerPosition | null) => void
  onScale: (scale: ScaleBar) => void
  onView: ViewListener
  /** A click, in lon/lat (space `map`) or pixels (space `pixel`). */
  onClick: (position: Point, space: 'map' | 'pixel') => void
}

/** The OpenLayers map of one raster, its result and what is drawn over them. */
export class RasterMap {
  readonly map: OlMap
  readonly annotations: AnnotationMap
  readonly candidates: CandidateMap
  readonly prompts: PromptMap
  readonly zones: ZoneMap
  private readonly imageLayer = new TileLayer<XYZ>({ zIndex: 0 })
  private readonly maskLayer = new TileLayer<XYZ>({ zIndex: 10 })
  private readonly highlightLayer = createHighlightLayer()
  private readonly viewWindow: ViewWindow
  private space: RasterSpace | null = null
  private converter: PixelConverter | null = null
  private swipePosition: number | null = null
  private fittedView = ''

  constructor(
    target: HTMLElement,
    private readonly listeners: RasterMapListeners,
  ) {
    this.map = new OlMap({
      target,
      controls: [],
      layers: [this.imageLayer, this.maskLayer, this.highlightLayer],
    })
    this.zones = new ZoneMap(this.map)
    this.annotations = new AnnotationMap(this.map)
    this.candidates = new CandidateMap(this.map)
    this.prompts = new PromptMap(this.map)
    this.viewWindow = new ViewWindow(this.map, listeners.onView)
    for (const layer of [this.imageLayer, this.maskLayer]) {
      drawPixelsBeyond(layer, () => this.space?.nativeResolution ?? 0)
    }
    clipAtSwipe(this.maskLayer, this.map, () => this.swipePosition)
    this.map.on('pointermove', (event) => this.reportPointer(event))
    this.map.on('singleclick', (event) => {
      const { originalEvent } = event
      const isTaken =
        this.zones.ownsClick(originalEvent) || this.annotations.ownsClick(originalEvent)
      if (!isTaken) this.reportClick(event.coordinate)
    })
    this.map.on('change:size', () => {
      // A panel that opens must not cover part of a raster that was shown whole.
      if (this.fittedView === this.describeView()) this.fit()
    })
    this.map.on('postrender', () => this.reportScale())
    target.addEventListener('pointerleave', () => listeners.onPointer(null))
  }

  /** Whether boxes drawn on the map can be turned into pixel windows. */
  get canConvert(): boolean {
    return this.converter !== null
  }

  /** Shows another raster from its whole extent; null empties the map. */
  showRaster(meta: RasterMeta | null, tileJson: TileJson | null): void {
    this.showResult(null)
    this.imageLayer.setSource(null)
    this.space = tileJson && createRasterSpace(tileJson)
    this.converter = meta && this.space ? createPixelConverter(meta, this.space.kind) : null
    this.zones.showRaster(meta, this.space, this.converter)
    this.annotations.showRaster(this.space)
    this.candidates.showRaster(this.space?.kind ?? 'pixel')
    this.prompts.showRaster(meta, this.space, this.converter)
    if (this.space) this.map.setView(createView(this.space))
    this.fit()
    this.viewWindow.showRaster(meta, this.space, this.converter)
  }

  /** Address of the image tiles; a new one replaces the old without an empty moment. */
  showImage(url: string): void {
    this.replaceTiles(this.imageLayer, url)
  }

  /** Address of the result's tiles; null shows none. */
  showResult(url: string | null): void {
    if (url === null) this.maskLayer.setSource(null)
    else this.replaceTiles(this.maskLayer, url)
    this.highlight(null)
  }

  private replaceTiles(layer: TileLayer<XYZ>, url: string): void {
    const source = layer.getSource()
    if (source) source.setUrl(url)
    else if (this.space) {
      layer.setExtent(this.space.extent)
      layer.setSource(this.space.createSource(url))
    }
  }

  setOpacity(opacity: number): void {
    this.maskLayer.setOpacity(opacity)
  }

  /** Draws the result left of this share of the map's width only; null draws all of it. */
  setSwipe(position: number | null): void {
    this.swipePosition = position
    this.map.render()
  }

  fit(): void {
    if (this.space) this.map.getView().fit(this.space.extent, { padding: FIT_PADDING_PX })
    this.fittedView = this.describeView()
  }

  /** Where the view is, to tell whether the user has moved it since. */
  private describeView(): string {
    const view = this.map.getView()
    return `${view.getCenter()} ${view.getResolution()}`
  }

  zoomBy(steps: number): void {
    const view = this.map.getView()
    view.animate({ zoom: (view.getZoom() ?? 0) + steps, duration: 180 })
  }

  highlight(feature: ObjectFeature | null): void {
    const kind = this.space?.kind ?? 'pixel'
    showGeometry(this.highlightLayer, feature && readGeometry(feature.geometry, kind))
  }

  /** Acts as a click in the middle of the map, for those who use no pointer. */
  clickCentre(): void {
    const centre = this.map.getView().getCenter()
    if (this.candidates.isActive) this.candidates.clickCentre()
    else if (this.annotations.ownsClick()) this.annotations.clickCentre()
    else if (centre) this.reportClick(centre)
  }

  dispose(): void {
    this.map.setTarget(undefined)
    this.map.dispose()
  }

  private reportClick(coordinate: number[]): void {
    if (this.prompts.isActive || !this.space) return
    const isMap = this.space.kind === 'map'
    const position = isMap ? toLonLat(coordinate) : this.converter?.toPixel(coordinate)
    if (position) this.listeners.onClick(position as Point, this.space.kind)
  }

  private reportPointer(event: MapBrowserEvent): void {
    if (!this.space || event.dragging) return
    this.listeners.onPointer({
      lonLat: this.space.kind === 'map' ? (toLonLat(event.coordinate) as Point) : null,
      pixel: this.converter?.toPixel(event.coordinate) ?? null,
    })
  }

  private reportScale(): void {
    const view = this.map.getView()
    const [resolution, centre] = [view.getResolution(), view.getCenter()]
    if (!this.space || !resolution || !centre) return
    const isMap = this.space.kind === 'map'
    const ground = isMap ? getPointResolution(view.getProjection(), resolution, centre) : resolution
    this.listeners.onScale(createScaleBar(ground, isMap ? 'm' : 'px'))
  }
}
