/** A GeoJSON geometry; what the page needs to know of it is its type. */
export interface Geometry {
  type: string
  coordinates: unknown
}

export interface ObjectProperties {
  id: number
  area_px: number
  area_m2: number | null
  predicted_iou: number | null
  stability_score: number | null
  bbox: unknown
  point: unknown
  class: string | number | null
  source: string | null
}

/** A segmented object: GeoJSON in lon/lat, or pixel coordinates (x right, y down) without georeferencing. */
export interface ObjectFeature {
  type: 'Feature'
  geometry: Geometry
  properties: ObjectProperties
}
