import type { SeenObject } from './annotation'
import type { ObjectFeature } from './object'

export interface SimilarRequest {
  raster: string
  /** The examples. */
  objects: SeenObject[]
  /** Column, row, width, height: only objects that reach in there; null is the whole raster. */
  window: [number, number, number, number] | null
  rgb_index: [number, number, number]
  checkpoint?: string
}

/** Objects of the automatic result that look like some examples, most alike first. */
export interface SimilarObjects {
  /** Of the automatic result that the ids belong to. */
  result_number: number
  ids: number[]
  /** 1 for the mean of the examples, 0 for the average object. */
  scores: number[]
  /** How many are nearer to the examples than to the average object. */
  n_alike: number
}

/** An object that was found, which the user may leave out. */
export interface Candidate {
  feature: ObjectFeature
  isLeftOut: boolean
}
