import type { Job, JobState } from './job'

/** Formats of labels, in the order of the menu; the server knows the same. */
export const DATASET_FORMATS = [
  'yolo',
  'yolo-obb',
  'voc',
  'dior',
  'dota',
  'fair1m',
  'coco',
  'csv',
  'geojson',
] as const
export type DatasetFormat = (typeof DATASET_FORMATS)[number]

/** Combinations that are offered; the server takes others, too. */
export const DATASET_PROMPTS = [
  'box',
  'box+point',
  'box+mask',
  'box+rotated-mask',
  'mask',
  'rotated-mask',
  'point',
] as const
export type DatasetPrompt = (typeof DATASET_PROMPTS)[number]

/** What is sent beside the archive. */
export interface DatasetRequest {
  format: DatasetFormat
  prompt: DatasetPrompt
  /** Names separated by commas; empty leaves them to the archive. */
  classes: string
  constrain: boolean
}

export interface DatasetSummary {
  n_images: number
  n_in: number
  n_kept: number
  n_cut: number
  /** Numbers by reason. */
  rejected: Record<string, number>
  unusable: Record<string, number>
  classes: { name: string; n_in: number; n_kept: number }[]
  mean_predicted_iou: number | null
  n_files_left_out: number
  notes: string[]
}

export interface ReviewProgress {
  open: number
  accepted: number
  rejected: number
  gated: number
  corrected: number
  classes: Record<string, number>
}

export interface Dataset {
  id: string
  name: string
  created: string
  state: JobState
  options: { format: DatasetFormat; prompt: string; classes: string[] | null; checkpoint: string }
  summary: DatasetSummary | null
  job: Job | null
}

export interface ReviewedDataset extends Dataset {
  /** Missing until the dataset is done. */
  review?: ReviewProgress
}

/** x, y in pixels of the image, and 1 inside the object or 0 outside. */
export type ReviewPoint = [x: number, y: number, label: number]
export type ReviewState = 'open' | 'accepted' | 'rejected'

export interface ReviewObject {
  id: number
  image: string
  class: string
  predicted_iou: number
  state: ReviewState
  /** Why the gate rejected the mask; null where it passed. */
  gate: string | null
  is_corrected: boolean
  points: ReviewPoint[]
  revision: number
  /** Column, row, width, height of the part of the image that the picture shows. */
  view: [number, number, number, number]
}

export interface ReviewFilter {
  gate: 'passed' | 'rejected'
  class: string | null
}
