import type { Annotation } from 'src/types/annotation'
import type { Space } from 'src/types/prompt'

/** Stands in the file itself, because readers of GeoJSON take coordinates for longitude and latitude. */
const PIXEL_NOTE =
  'The raster has no coordinate reference system: coordinates are pixels, x to the right and y down from its top left corner.'

/** The objects as the text of a GeoJSON file (RFC 7946). */
export function toGeoJson(objects: Annotation[], space: Space): string {
  const note = space === 'pixel' ? { note: PIXEL_NOTE } : {}
  const features = objects.map((item) => ({ ...item, id: item.properties.id }))
  return JSON.stringify({ type: 'FeatureCollection', ...note, features })
}

/** `roofs.tif` gives `roofs_objects.geojson`. */
export function geoJsonName(raster: string): string {
  return `${raster.replace(/\.[^.]*$/, '')}_objects.geojson`
}

/** Hands a text to the user as a file. */
export function saveAsFile(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/geo+json' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // The browser has taken the content over by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
