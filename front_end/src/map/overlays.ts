import Feature from 'ol/Feature'
import type Geometry from 'ol/geom/Geometry'
import Polygon from 'ol/geom/Polygon'
import VectorLayer from 'ol/layer/Vector'
import VectorSource from 'ol/source/Vector'
import { Fill, Stroke, Style } from 'ol/style'

import type { Point } from './pixelConverter'

export type Overlay = VectorLayer<VectorSource>

/** A dark line under a bright one is seen on any imagery. */
export function outlineStyle(color: string, fill: string, dash?: number[]): Style[] {
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

/** An area of interest reads like a window: both bound what is segmented. */
export function createAreaLayer(): Overlay {
  const style = outlineStyle('#ffb454', 'rgba(255, 180, 84, 0.12)')
  return new VectorLayer({ source: new VectorSource(), style, zIndex: 20 })
}

/** Shows one shape; null shows none. */
export function showGeometry(layer: Overlay, geometry: Geometry | null): void {
  const source = layer.getSource()
  source?.clear()
  if (geometry !== null) source?.addFeature(new Feature(geometry))
}

/** Shows a closed ring of map coordinates; null shows none. */
export function showOutline(layer: Overlay, ring: Point[] | null): void {
  showGeometry(layer, ring && new Polygon([ring]))
}
