import 'ol/ol.css'

import type { MapBrowserEvent } from 'ol'
import OlMap from 'ol/Map'
import { toLonLat } from 'ol/proj'

import type { ObjectFeature } from 'src/types/object'
import type { RasterMeta, TileJson } from 'src/types/raster'

import { AnnotationMap } from './annotationMap'
import { BasemapLayer } from './basemapLayer'
import { CandidateMap } from './candidateMap'
import { ExampleMap } from './exampleMap'
import { readGeometry } from './geojson'
import { MeasureMap } from './measureMap'
import { findNorth, type North } from './north'
import { createHighlightLayer, showGeometry } from './overlays'
import { createPixelConverter, type PixelConverter, type Point } from './pixelConverter'
import { describePlace, type PointerPosition } from './pointerPlace'
import { PreviewMap } from './previewMap'
import { PromptMap } from './promptMap'
import { createRasterSpace, type RasterSpace } from './rasterSpace'
import { RasterTiles } from './rasterTiles'
import type { ScaleBar } from './scale'
import { SeriesMap } from './seriesMap'
import { createView } from './view'
import { describeScale } from './viewScale'
import { type ViewListener, ViewWindow } from './viewWindow'
import { ZoneMap } from './zoneMap'

const FIT_PADDING_PX = [28, 28, 44, 28]

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
  readonly basemap = new BasemapLayer()
  readonly examples: ExampleMap
  readonly measures: MeasureMap
  readonly previews: PreviewMap
  readonly series: SeriesMap
  readonly prompts: PromptMap
  readonly tiles: RasterTiles
  readonly zones: ZoneMap
  private readonly highlightLayer = createHighlightLayer()
  private readonly viewWindow: ViewWindow
  private meta: RasterMeta | null = null
  private space: RasterSpace | null = null
  private converter: PixelConverter | null = null
  private fittedView = ''

  constructor(
    target: HTMLElement,
    private readonly listeners: RasterMapListeners,
  ) {
    this.map = new OlMap({
      target,
      controls: [],
      layers: [this.basemap.layer, this.highlightLayer],
    })
    this.tiles = new RasterTiles(this.map)
    this.zones = new ZoneMap(this.map)
    this.annotations = new AnnotationMap(this.map)
    this.candidates = new CandidateMap(this.map)
    this.prompts = new PromptMap(this.map)
    this.previews = new PreviewMap(this.map)
    this.series = new SeriesMap(this.map)
    this.examples = new ExampleMap(this.map)
    this.measures = new MeasureMap(this.map)
    this.viewWindow = new ViewWindow(this.map, listeners.onView)
    this.map.on('pointermove', (event) => this.reportPointer(event))
    this.map.on('singleclick', (event) => {
      const tools = [this.zones, this.annotations, this.series, this.examples, this.measures]
      if (tools.some((tool) => tool.ownsClick(event.originalEvent))) return
      this.reportClick(event.coordinate)
    })
    this.map.on('change:size', () => {
      // A panel that opens must not cover part of a raster that was shown whole.
      if (this.fittedView === this.describeView()) this.fit()
    })
    this.map.on('postrender', () => this.reportScale())
    target.addEventListener('pointerleave', () => listeners.onPointer(null))
  }

  /** Where north is; null where the raster does not tell. */
  get north(): North | null {
    return findNorth(this.meta, this.space)
  }

  /** Whether boxes drawn on the map can be turned into pixel windows. */
  get canConvert(): boolean {
    return this.converter !== null
  }

  /** Shows another raster from its whole extent; null empties the map. */
  showRaster(meta: RasterMeta | null, tileJson: TileJson | null): void {
    this.highlight(null)
    this.meta = meta
    this.space = tileJson && createRasterSpace(tileJson)
    this.converter = meta && this.space ? createPixelConverter(meta, this.space.kind) : null
    for (const part of [this.basemap, this.tiles, this.annotations, this.measures]) {
      part.showRaster(this.space)
    }
    this.candidates.showRaster(this.space?.kind ?? 'pixel')
    for (const part of [this.zones, this.prompts, this.previews, this.series, this.examples]) {
      part.showRaster(meta, this.space, this.converter)
    }
    if (this.space) this.map.setView(createView(this.space))
    this.fit()
    this.viewWindow.showRaster(meta, this.space, this.converter)
  }

  /** Address of the result's tiles; null shows none. */
  showResult(url: string | null): void {
    this.tiles.showResult(url)
    this.highlight(null)
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
    else if (this.examples.ownsClick()) this.examples.clickCentre()
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

  private reportPointer({ coordinate, dragging }: MapBrowserEvent): void {
    const { converter, meta, space } = this
    if (space && !dragging) {
      this.listeners.onPointer(describePlace(coordinate, space, meta, converter))
    }
  }

  private reportScale(): void {
    const scale = this.space && describeScale(this.map.getView(), this.space)
    if (scale) this.listeners.onScale(scale)
  }
}
