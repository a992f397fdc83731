import type Feature from 'ol/Feature'
import type { Coordinate } from 'ol/coordinate'
import type OlMap from 'ol/Map'
import type VectorSource from 'ol/source/Vector'

import type { Annotation } from 'src/types/annotation'
import type { Space } from 'src/types/prompt'

import {
  type ColorOf,
  createAnnotationLayer,
  createFreshLayer,
  createObjectFeature,
  createSelectedLayer,
  type ObjectLook,
} from './annotationLayers'
import { readGeometry } from './geojson'

/** From here on the picture of all objects takes long to draw. */
const MANY_OBJECTS = 3000
/** More than these are not drawn one by one. */
const MAX_FRESH = 200

/** The accepted objects as features of the map; tens of thousands of them stay smooth. */
export class ShownObjects {
  space: Space = 'pixel'
  private look: ObjectLook = { colorOf: () => '#ffffff', isMany: false, hiddenId: null }
  private readonly layer = createAnnotationLayer(() => this.look)
  private readonly freshLayer = createFreshLayer(() => this.look)
  private readonly selectedLayer = createSelectedLayer(() => this.look)
  private shown = new Map<number, Annotation>()

  constructor(map: OlMap) {
    for (const layer of this.layers) map.addLayer(layer)
  }

  private get layers() {
    return [this.layer, this.freshLayer, this.selectedLayer]
  }

  private get sources(): [all: VectorSource, fresh: VectorSource] {
    return [this.layer.getSource()!, this.freshLayer.getSource()!]
  }

  setColors(colorOf: ColorOf): void {
    this.look = { ...this.look, colorOf }
    for (const layer of this.layers) layer.changed()
  }

  /** Hidden objects are kept: to make their features again would take a second for tens of thousands. */
  setVisible(isVisible: boolean): void {
    for (const layer of this.layers) layer.setVisible(isVisible)
  }

  /** Does not draw one object, because it is shown as it is being changed; null draws all. */
  hide(hiddenId: number | null): void {
    if (this.look.hiddenId === hiddenId) return
    this.look = { ...this.look, hiddenId }
    for (const layer of this.layers) layer.changed()
  }

  clear(): void {
    for (const source of this.sources) source.clear(true)
    this.shown.clear()
  }

  /** Shows these objects; those that are as they were keep their feature. */
  show(objects: readonly Annotation[]): void {
    const next = new Map(objects.map((item) => [item.properties.id, item]))
    const gone = [...this.shown].filter(([id, item]) => next.get(id) !== item)
    // One by one would tell the map of each.
    if (gone.length > objects.length) this.clear()
    else for (const [id] of gone) this.remove(id)
    const added = objects.filter((item) => !this.shown.has(item.properties.id))
    this.shown = next
    this.look = { ...this.look, isMany: next.size > MANY_OBJECTS }
    this.add(added.flatMap((item) => this.createFeature(item) ?? []))
  }

  /** Draws these above the rest. */
  showSelected(objects: readonly Annotation[]): void {
    const source = this.selectedLayer.getSource()
    source?.clear(true)
    source?.addFeatures(objects.flatMap((item) => this.createFeature(item) ?? []))
  }

  /** The smallest object at a place, as what lies within another could not be met otherwise; null beside all. */
  findAt(coordinate: Coordinate): number | null {
    const found = this.sources.flatMap((source) => source.getFeaturesAtCoordinate(coordinate))
    const items = found.flatMap((feature) => this.shown.get(Number(feature.getId())) ?? [])
    const [smallest] = items.sort((one, other) => one.properties.area_px - other.properties.area_px)
    return smallest?.properties.id ?? null
  }

  private createFeature({ geometry, properties }: Annotation): Feature | null {
    if (geometry === null) return null
    return createObjectFeature(readGeometry(geometry, this.space), properties.id, properties.class)
  }

  private add(features: Feature[]): void {
    const [all, fresh] = this.sources
    const count = fresh.getFeatures().length + features.length
    if (this.look.isMany && count <= MAX_FRESH) fresh.addFeatures(features)
    else {
      all.addFeatures([...fresh.getFeatures(), ...features])
      fresh.clear(true)
    }
  }

  private remove(id: number): void {
    for (const source of this.sources) {
      const feature = source.getFeatureById(id)
      if (feature) source.removeFeature(feature as Feature)
    }
    this.shown.delete(id)
  }
}
