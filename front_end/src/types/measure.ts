export type MeasureKind = 'distance' | 'area'

export interface Measure {
  /** Of the line, or around the polygon. */
  length: number
  /** null for a line. */
  area: number | null
  /** Metres (and square metres) on the Earth, or pixels of a raster that has no place on it. */
  unit: 'm' | 'px'
}
