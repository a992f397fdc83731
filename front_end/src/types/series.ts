import type { Job } from './job'
import type { Space } from './prompt'

/** Along a line, or on a grid in a polygon. */
export type SeriesKind = 'line' | 'polygon'

/** x and y in the coordinates that prompts are in. */
export type Position = [number, number]

/** Points that are each the click of an object of its own. */
export interface Series {
  space: Space
  points: Position[]
}

export interface PromptsRequest {
  raster: string
  prompts: { point: Position }[]
  space: Space
  rgb_index: [number, number, number]
  checkpoint?: string
  class: string | null
}

/** What prompts are made of the outlines of a file. */
export type PromptShape = 'boxes' | 'points'

/** The answer to many prompts. */
export interface PromptsJob extends Job {
  /** Sentences for the user, such as what an import has left out. */
  notes?: string[]
}

/** What became of many prompts. */
export interface PromptsResult {
  n_prompts: number
  n_objects: number
  /** Prompts at which nothing was found. */
  n_empty: number
  /** Prompts that gave an object which another had given already. */
  n_duplicates: number
  /** Of the layer once the objects were in it. */
  revision: number
}
