import { requestJson } from './request'

/** A map that the operator offers to show below rasters. */
export interface Basemap {
  /** With `{z}`, `{x}` and `{y}`; null where there is none. */
  url: string | null
  /** Whom to thank for it, as plain text. */
  attribution: string
}

export function readBasemap(): Promise<Basemap> {
  return requestJson<Basemap>('/basemap')
}
