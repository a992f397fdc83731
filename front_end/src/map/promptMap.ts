import type { Coordinate } from 'ol/coordinate'
import type OlMap from 'ol/Map'

import type { Geometry } from 'src/types/object'
import type { PromptBox, PromptPoint, Prompts, Space } from 'src/types/prompt'
import type { RasterMeta } from 'src/types/raster'

import type { Corners } from './boxInteraction'
import { readGeometry } from './geojson'
import { showGeometry } from './overlays'
import type { PixelConverter } from './pixelConverter'
import { createCandidateLayer, createPromptLayer, showPrompts } from './promptLayers'
import {
  createPromptPlace,
  isOnRaster,
  limitBox,
  type PromptPlace,
  toBox,
  toPosition,
} from './promptPlace'
import { PromptPointer } from './promptPointer'
import type { RasterSpace } from './rasterSpace'

const NO_PROMPTS: Prompts = { points: [], box: null }

export interface PromptListeners {
  onPoint: (point: PromptPoint) => void
  onBox: (box: PromptBox) => void
  /** A prompt beside the raster. */
  onOutside: () => void
}

/** The part of the map where objects are outlined one by one: prompts in, masks shown. */
export class PromptMap {
  private readonly candidateLayer = createCandidateLayer()
  private readonly promptLayer = createPromptLayer()
  private readonly pointer: PromptPointer
  private listeners: PromptListeners | null = null
  private space: RasterSpace | null = null
  private meta: RasterMeta | null = null
  private place: PromptPlace | null = null
  private prompts = NO_PROMPTS

  constructor(private readonly map: OlMap) {
    map.addLayer(this.candidateLayer)
    map.addLayer(this.promptLayer)
    this.pointer = new PromptPointer(map, {
      onPoint: (coordinate, isInside) => this.readPoint(coordinate, isInside),
      onDrag: (corners) => this.showDrag(corners),
      onBox: (corners) => this.readBox(corners),
    })
  }

  get isActive(): boolean {
    return this.listeners !== null
  }

  private get kind(): Space {
    return this.space?.kind ?? 'pixel'
  }

  /** The coordinates that prompts are in: pixels wherever the browser can convert to them. */
  get promptSpace(): Space {
    return this.place?.space ?? 'pixel'
  }

  showRaster(
    meta: RasterMeta | null,
    space: RasterSpace | null,
    converter: PixelConverter | null,
  ): void {
    this.meta = meta
    this.space = space
    this.place = createPromptPlace(space, converter)
  }

  /** Takes prompts from the pointer; null takes none. */
  listen(listeners: PromptListeners | null): void {
    this.listeners = listeners
    if (listeners === null) this.pointer.stop()
    else this.pointer.start()
  }

  setBoxTool(isOn: boolean): void {
    this.pointer.boxTool = isOn
  }

  /** Sets a point in the middle of the map, for those who use no pointer. */
  addPointAtCentre(isInside: boolean): void {
    const centre = this.map.getView().getCenter()
    if (centre) this.readPoint(centre, isInside)
  }

  showPrompts(prompts: Prompts): void {
    this.prompts = prompts
    if (this.place) showPrompts(this.promptLayer, prompts, this.place)
  }

  showCandidate(geometry: Geometry | null): void {
    showGeometry(this.candidateLayer, geometry && readGeometry(geometry, this.kind))
  }

  private readPoint(coordinate: Coordinate, isInside: boolean): void {
    const { listeners, meta, place } = this
    if (!listeners || !meta || !place) return
    const [x, y] = toPosition(coordinate, place)
    if (isOnRaster([x, y], meta, place)) listeners.onPoint({ x, y, isInside })
    else listeners.onOutside()
  }

  private readBox(corners: Corners): void {
    const { listeners, meta, place } = this
    if (!listeners || !meta || !place) return
    const box = limitBox(toBox(corners, place), meta, place)
    if (box) listeners.onBox(box)
    else listeners.onOutside()
  }

  private showDrag(corners: Corners | null): void {
    const { place, prompts } = this
    if (!place) return
    const box = corners ? toBox(corners, place) : prompts.box
    showPrompts(this.promptLayer, { ...prompts, box }, place)
  }
}
