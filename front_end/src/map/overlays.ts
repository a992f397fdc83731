import Feature from 'ol/Feature'
import GeoJSON from 'ol/format/GeoJSON'
import type Geometry from 'ol/geom/Geometry'
import Polygon from 'ol/geom/Polygon'
import VectorLayer from 'ol/layer/Vector'
import VectorSource from 'ol/source/Vector'
import { Fill, Stroke, Style } from 'ol/style'

import type { ObjectFeature } from 'src/types/object'

import type { Point } from './pixelConverter'

type Overlay = VectorLayer<VectorSource>

/** A dark line under a bright one is seen on any imagery. */
function outlineStyle(color: string, fill: string, dash?: number[]): Style[] {
  return [
    new Style({ stroke: new Stroke({ color: 'rgba(10, 25, 30, 0.75)', width: 5 }) }),
    new Style({
      stroke: new Stroke({ color, width: 2.5, lineDash: dash }),
      fill: new Fill({ color: fill }),
    }),
  ]
}

export function createHighlightLayer(): Overlay {
  const style = outlineStyle('#ffffff', 'rgba(255, 255, 255, 0.15)')
  return new VectorLayer({ source: new VectorSource(), style, zIndex: 30 })
}

export function createWindowLayer(): Overlay {
  const style = outlineStyle('#ffd166', 'rgba(255, 209, 102, 0.10)', [8, 6])
  return new VectorLayer({ source: new VectorSource(), style, zIndex: 20 })
}

function replaceFeature(layer: Overlay, geometry: Geometry | null): void {
  const source = layer.getSource()
  source?.clear()
  if (geometry !== null) source?.addFeature(new Feature(geometry))
}

/** Shows one object's outline; null shows none. */
export function showObject(
  layer: Overlay,
  feature: ObjectFeature | null,
  space: 'map' | 'pixel',
): void {
  if (feature === null) {
    replaceFeature(layer, null)
    return
  }
  if (space === 'map') {
    const options = { dataProjection: 'EPSG:4326', featureProjection: 'EPSG:3857' }
    replaceFeature(layer, new GeoJSON().readGeometry(feature.geometry, options))
    return
  }
  const geometry: Geometry | null = new GeoJSON().readGeometry(feature.geometry)
  // Pixel rows count downwards, map coordinates upwards.
  geometry?.scale(1, -1, [0, 0])
  replaceFeature(layer, geometry)
}

/** Shows a closed ring of map coordinates; null shows none. */
export function showOutline(layer: Overlay, ring: Point[] | null): void {
  replaceFeature(layer, ring && new Polygon([ring]))
}
