import type { AreaGeometry } from './area'
import type { Space } from './prompt'

/** What shows the classes: words, or places where they are. */
export type VocabularyPrompt = 'text' | 'examples'

/** A class as the user edits it. */
export interface VocabularyClass {
  /** Never used twice on this page. */
  key: number
  name: string
  /** Further words for it, with commas between. */
  synonyms: string
  color: string
}

/** A class list of a well-known data set. */
export interface VocabularyPreset {
  name: string
  title: string
  classes: { name: string; synonyms: string[] }[]
  background_threshold: number
  background: string
  global_bias: number
}

export interface VocabularyInfo {
  text_available: boolean
  /** What words need, where it is missing. */
  how: string | null
  text_models: string[]
  presets: VocabularyPreset[]
}

/** A click on a class. */
export interface ExamplePoint {
  /** Of its class. */
  key: number
  x: number
  y: number
}

export interface ClassifyRequest {
  raster: string
  prompt: VocabularyPrompt
  classes: { name: string; synonyms: string[]; color: string }[]
  examples?: { class: string; points: [number, number][]; annotations: boolean }[]
  space: Space
  rgb_index: [number, number, number]
  checkpoint?: string
  refine: boolean
  background_threshold?: number
  background?: string
  global_bias?: number
  window: [number, number, number, number] | null
  area?: AreaGeometry
  resolution_m?: number
}

/** What became of one class. */
export interface ClassSummary {
  /** Its value in the class raster. */
  id: number
  name: string
  color: string
  n_pixels: number
  /** Of all classified pixels, 0..1. */
  share: number
  /** null where the raster has no place on Earth. */
  area_m2: number | null
}
