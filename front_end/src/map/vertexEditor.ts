import Feature from 'ol/Feature'
import type OlGeometry from 'ol/geom/Geometry'
import Modify from 'ol/interaction/Modify'
import type OlMap from 'ol/Map'

import { createEditedLayer, sketchStyle } from './annotationLayers'

/** A finger covers more than a pointer. */
const GRAB_PX = 14

/** Lets the user move, add and remove the corners of one outline. */
export class VertexEditor {
  private readonly layer = createEditedLayer()
  private feature: Feature | null = null
  private modify: Modify | null = null
  /** The outline before each change, oldest first. */
  private before: OlGeometry[] = []
  private current: OlGeometry | null = null

  constructor(private readonly map: OlMap) {
    map.addLayer(this.layer)
  }

  get isActive(): boolean {
    return this.feature !== null
  }

  /** The outline as it is now; null while none is edited. */
  get geometry(): OlGeometry | null {
    return this.feature?.getGeometry() ?? null
  }

  start(geometry: OlGeometry): void {
    this.stop()
    this.current = geometry.clone()
    this.feature = new Feature(geometry)
    const source = this.layer.getSource()!
    source.addFeature(this.feature)
    this.modify = new Modify({ source, style: sketchStyle(), pixelTolerance: GRAB_PX })
    this.modify.on('modifyend', () => this.remember())
    this.map.addInteraction(this.modify)
  }

  stop(): void {
    if (this.modify) this.map.removeInteraction(this.modify)
    this.layer.getSource()?.clear()
    this.modify = null
    this.feature = null
    this.current = null
    this.before = []
  }

  /** Takes the last change back. */
  undo(): void {
    const last = this.before.pop()
    if (last === undefined) return
    this.current = last
    this.feature?.setGeometry(last.clone())
  }

  /** Removes the corner that was touched last. */
  removeCorner(): void {
    if (this.modify?.canRemovePoint()) this.modify.removePoint()
  }

  private remember(): void {
    if (this.current !== null) this.before.push(this.current)
    this.current = this.geometry?.clone() ?? null
  }
}
