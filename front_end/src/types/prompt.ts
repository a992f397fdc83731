import type { Geometry } from './object'

/** Which coordinates a raster's places are given in: lon/lat, or pixels (x right, y down from the top left corner). */
export type Space = 'map' | 'pixel'

/** A click: inside the object, or on what does not belong to it. */
export interface PromptPoint {
  x: number
  y: number
  isInside: boolean
}

/** x0, y0, x1, y1 with x0 < x1 and y0 < y1. */
export type PromptBox = [number, number, number, number]

/** What the user has said about one object. */
export interface Prompts {
  points: PromptPoint[]
  box: PromptBox | null
}

export interface PredictRequest {
  raster: string
  rgb_index: [number, number, number]
  checkpoint?: string
  /** x, y and 1 for inside, 0 for outside. */
  points: [number, number, 0 | 1][]
  box: PromptBox | null
  /** Id of the mask to refine. */
  previous: string | null
  /** Whether several masks are wanted, for prompts that may mean more than one object. */
  multimask: boolean
  /** False where no later click will refine the masks: they need no room on the server. */
  keep?: boolean
  space: Space
}

/** One of the masks that the prompts may mean; the server gives the best first. */
export interface CandidateMask {
  id: string
  predicted_iou: number
  area_px: number
  /** null where the raster has no place on Earth. */
  area_m2: number | null
  feature: { type: 'Feature'; geometry: Geometry; properties: Record<string, unknown> | null }
}
