import type { AreaGeometry } from './area'

export interface Checkpoint {
  name: string
  kind: string
  parameters: number | null
  available: boolean
  embedded: boolean
  input_size: number | null
  licence: string
  note: string
  /** What the class mode finds; null where the checkpoint was not fine-tuned for a class. */
  class_name: string | null
}

/** All objects, or the one class that the checkpoint was fine-tuned for. */
export type SegmentMode = 'everything' | 'class'

export interface SegmentParameter {
  name: string
  type: 'integer' | 'number'
  default: number
  minimum: number
  maximum: number
  description: string
}

export type ParameterValues = Record<string, number>

export type PresetName = 'fast' | 'standard' | 'fine'

export interface SegmentParameters {
  parameters: SegmentParameter[]
  presets: Record<PresetName, ParameterValues>
}

/** A pixel rectangle of a raster: column and row of its top left pixel, then its size. */
export interface PixelWindow {
  col: number
  row: number
  width: number
  height: number
}

export interface SegmentRequest {
  raster: string
  rgb_index: [number, number, number]
  /** Absent: everything. */
  mode?: SegmentMode
  checkpoint?: string
  window: [number, number, number, number] | null
  /** Segment only inside; absent: no such limit. */
  area?: AreaGeometry
  /** Label every pixel; absent: only what passes the thresholds. */
  full_cover?: boolean
  /** Metres per pixel that the network sees; absent: the raster's own. */
  resolution_m?: number
  parameters: ParameterValues
}
