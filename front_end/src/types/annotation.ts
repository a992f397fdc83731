import type { Geometry } from './object'

export type AnnotationSource = 'automatic' | 'prompt' | 'imported' | 'drawn'

/** A row of a raster's class table. */
export interface ObjectClass {
  /** 1..255, its value in a class raster. */
  id: number
  name: string
  /** `#rrggbb` */
  color: string
}

export interface AnnotationProperties {
  /** Counts up from 1 within a raster; never given twice. */
  id: number
  /** Of the layer when the object was last changed; a change has to name it. */
  revision: number
  class: string | null
  source: AnnotationSource
  checkpoint: string | null
  predicted_iou: number | null
  stability_score: number | null
  area_px: number
  /** null where the raster has no place on Earth. */
  area_m2: number | null
  /** ISO 8601, as is `changed`. */
  created: string
  changed: string
}

/** An object that the user has accepted: GeoJSON in lon/lat, or in pixels where the raster has no CRS. */
export interface Annotation {
  type: 'Feature'
  /** null where the server could not place the outline. */
  geometry: Geometry | null
  properties: AnnotationProperties
}

/** What the server says about a layer: all of it, or what a change has changed. */
export interface LayerAnswer {
  revision: number
  /** The answer tells all that happened after this revision; 0 where it is the whole layer. */
  since: number
  space: 'lonlat' | 'pixel'
  classes: ObjectClass[]
  objects: Annotation[]
  /** Ids of objects that are gone. */
  removed: number[]
  /** What undoing would take back, as a short word; null when there is nothing. */
  undo: string | null
  redo: string | null
  /** Sentences for the user, such as what an import has left out. */
  notes: string[]
}

/** An object as it was seen, which is how a change names it. */
export interface SeenObject {
  id: number
  revision: number
}

export interface NewObject {
  geometry: Geometry
  class: string | null
  source: AnnotationSource
  checkpoint: string | null
  predicted_iou: number | null
  stability_score: number | null
}

/** What is absent stays as it is. */
export interface ObjectChange extends SeenObject {
  class?: string | null
  geometry?: Geometry
}

/** Changes that are made together and undone together. */
export interface LayerChanges {
  add?: NewObject[]
  change?: ObjectChange[]
  remove?: SeenObject[]
  /** The whole class table. */
  classes?: ObjectClass[]
  /** The revision that is known: a newer class table of another tab is then not overwritten but a conflict. */
  since?: number
}

/** Changes of outlines that the server reckons. */
export type EditOperation = 'merge' | 'split' | 'simplify' | 'regularise' | 'smooth' | 'snap'

export interface EditRequest {
  operation: EditOperation
  objects: SeenObject[]
  /** Where to split, in the coordinates of the layer. */
  line?: number[][]
  tolerance_px?: number
}

export function toSeen({ properties }: Annotation): SeenObject {
  return { id: properties.id, revision: properties.revision }
}
