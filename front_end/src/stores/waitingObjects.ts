import type { NewObject } from 'src/types/annotation'
import type { Geometry } from 'src/types/object'
import type { Space } from 'src/types/prompt'

import { readStored, writeStored } from './storage'

/** Where earlier versions of the page kept a raster's objects, and where objects wait that could not be sent. */
const OBJECTS_KEY = 'rs.annotations'

/** Lon/lat and pixel objects of one name are kept apart: side files may give a raster a place later. */
function storageKey(raster: string, space: Space): string {
  return `${OBJECTS_KEY}.${space}.${raster}`
}

function isGeometry(value: unknown): value is Geometry {
  return typeof value === 'object' && value !== null && 'type' in value && 'coordinates' in value
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

/** Null for what is no stored object. */
function readObject(value: unknown): NewObject | null {
  const item = value as { geometry?: unknown; properties?: Record<string, unknown> } | null
  if (!isGeometry(item?.geometry)) return null
  const facts = item.properties ?? {}
  return {
    geometry: item.geometry,
    class: text(facts.class),
    source: facts.source === 'drawn' ? 'drawn' : 'prompt',
    checkpoint: text(facts.checkpoint),
    predicted_iou: number(facts.predicted_iou),
    stability_score: number(facts.stability_score),
  }
}

/** The objects of a raster that this browser keeps and the server does not have yet. */
export function readWaiting(raster: string, space: Space): NewObject[] {
  const stored = readStored<unknown>(storageKey(raster, space), [])
  if (!Array.isArray(stored)) return []
  return stored.map(readObject).filter((item) => item !== null)
}

/** Keeps further objects until they can be sent; false when the browser's storage does not take them. */
export function addWaiting(raster: string, space: Space, objects: NewObject[]): boolean {
  const waiting = [...readWaiting(raster, space), ...objects].map(
    ({ geometry, ...properties }) => ({
      type: 'Feature',
      geometry,
      properties,
    }),
  )
  return writeStored(storageKey(raster, space), waiting)
}

export function dropWaiting(raster: string, space: Space): void {
  try {
    localStorage.removeItem(storageKey(raster, space))
  } catch {
    // A forbidden storage holds nothing.
  }
}
