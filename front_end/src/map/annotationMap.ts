import type { MapBrowserEvent } from 'ol'
import type OlMap from 'ol/Map'

import type { Geometry } from 'src/types/object'

import { DrawingTool } from './drawing'
import { readGeometry, writeGeometry } from './geojson'
import type { RasterSpace } from './rasterSpace'
import { ShownObjects } from './shownObjects'
import { VertexEditor } from './vertexEditor'

const FIT_PADDING_PX = 80
const ZOOM_MS = 250
const MAX_MAGNIFICATION = 4

/** Called with the id under a click, null beside all objects, and whether it is to be added to the selection. */
export type PickListener = (id: number | null, adds: boolean) => void

/** The part of the map where accepted objects are selected, drawn and changed by hand. */
export class AnnotationMap {
  readonly objects: ShownObjects
  private readonly editor: VertexEditor
  private readonly drawing: DrawingTool
  private space: RasterSpace | null = null
  private onPick: PickListener | null = null

  constructor(private readonly map: OlMap) {
    this.objects = new ShownObjects(map)
    this.editor = new VertexEditor(map)
    this.drawing = new DrawingTool(map)
    map.on('click', (event) => this.readClick(event as MapBrowserEvent<PointerEvent>))
  }

  /** Whether a click means accepted objects rather than what lies under them. */
  ownsClick(click?: Event): boolean {
    const isDrawn = click === undefined ? this.drawing.isActive : this.drawing.owns(click)
    return this.onPick !== null || this.editor.isActive || isDrawn
  }

  showRaster(space: RasterSpace | null): void {
    this.stop()
    this.objects.clear()
    this.space = space
    this.objects.space = space?.kind ?? 'pixel'
  }

  /** Reports clicks on objects; null reports none. */
  listen(onPick: PickListener | null): void {
    this.onPick = onPick
  }

  /** Acts as a click in the middle of the map, for those who use no pointer. */
  clickCentre(): void {
    const centre = this.map.getView().getCenter()
    if (centre) this.onPick?.(this.objects.findAt(centre), false)
  }

  /** Lets the user change an outline by its corners. */
  edit(geometry: Geometry): void {
    this.stop()
    this.editor.start(readGeometry(geometry, this.objects.space))
  }

  /** The outline as it was changed; null while none is. */
  get editedGeometry(): Geometry | null {
    const { geometry } = this.editor
    return geometry && writeGeometry(geometry, this.objects.space)
  }

  drawLine(onDrawn: (line: number[][]) => void): void {
    this.stop()
    this.drawing.startLine((line) =>
      onDrawn(writeGeometry(line, this.objects.space).coordinates as number[][]),
    )
  }

  drawPolygon(onDrawn: (geometry: Geometry) => void): void {
    this.stop()
    this.drawing.startPolygon((polygon) => onDrawn(writeGeometry(polygon, this.objects.space)))
  }

  /** Ends the line or polygon that is being drawn where it is. */
  finishDrawing(): void {
    this.drawing.finish()
  }

  /** Takes back the last corner drawn, or the last change of an outline. */
  undoStep(): void {
    if (this.editor.isActive) this.editor.undo()
    else this.drawing.removeLastCorner()
  }

  removeCorner(): void {
    if (this.editor.isActive) this.editor.removeCorner()
    else this.drawing.removeLastCorner()
  }

  /** Gives up drawing and editing. */
  stop(): void {
    this.editor.stop()
    this.drawing.stop()
  }

  zoomTo(geometry: Geometry): void {
    const extent = readGeometry(geometry, this.objects.space).getExtent()
    const padding = Array.from({ length: 4 }, () => FIT_PADDING_PX)
    // A small object is shown with what lies around it, not as a few huge pixels.
    const minResolution = (this.space?.nativeResolution ?? 1) / MAX_MAGNIFICATION
    this.map.getView().fit(extent, { padding, minResolution, duration: ZOOM_MS })
  }

  private readClick({ coordinate, originalEvent }: MapBrowserEvent<PointerEvent>): void {
    if (this.onPick === null || this.drawing.owns(originalEvent)) return
    const { shiftKey, ctrlKey, metaKey } = originalEvent
    this.onPick(this.objects.findAt(coordinate), shiftKey || ctrlKey || metaKey)
  }
}
