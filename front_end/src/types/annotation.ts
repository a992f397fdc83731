import type { Geometry } from './object'

export interface AnnotationProperties {
  /** Counts up from 1 within a raster. */
  id: number
  class: string | null
  area_px: number
  area_m2: number | null
  predicted_iou: number
  checkpoint: string | null
  source: 'prompt'
  /** When it was accepted, in ISO 8601. */
  created: string
}

/** An object that the user has accepted: GeoJSON in lon/lat, or in pixels where the raster has no CRS. */
export interface Annotation {
  type: 'Feature'
  geometry: Geometry
  properties: AnnotationProperties
}
