import Feature from 'ol/Feature'
import Point from 'ol/geom/Point'
import Polygon from 'ol/geom/Polygon'
import VectorLayer from 'ol/layer/Vector'
import VectorSource from 'ol/source/Vector'
import { Circle, Fill, RegularShape, Stroke, Style } from 'ol/style'

import type { PromptBox, Prompts } from 'src/types/prompt'

import { type Overlay, outlineStyle } from './overlays'
import { boxOutline, type PromptPlace } from './promptPlace'

function pointStyle(isInside: boolean): Style[] {
  const white = new Stroke({ color: '#ffffff', width: 2 })
  const fill = new Fill({ color: isInside ? '#0b8a4a' : '#c2261c' })
  const sign = isInside
    ? new RegularShape({ points: 4, radius: 5, radius2: 0, stroke: white })
    : new RegularShape({ points: 2, radius: 5, angle: Math.PI / 2, stroke: white })
  return [
    new Style({ image: new Circle({ radius: 8, fill, stroke: white }), zIndex: 1 }),
    new Style({ image: sign, zIndex: 2 }),
  ]
}

const POINT_STYLES = { inside: pointStyle(true), outside: pointStyle(false) }
const BOX_STYLE = outlineStyle('#ffffff', 'rgba(255, 255, 255, 0.06)', [6, 5])

export function createPromptLayer(): Overlay {
  return new VectorLayer({ source: new VectorSource(), zIndex: 50 })
}

export function createCandidateLayer(): Overlay {
  const style = outlineStyle('#39c6ff', 'rgba(57, 198, 255, 0.28)')
  return new VectorLayer({ source: new VectorSource(), style, zIndex: 40 })
}

function pointFeature(coordinate: number[], isInside: boolean): Feature {
  const feature = new Feature(new Point(coordinate))
  feature.setStyle(isInside ? POINT_STYLES.inside : POINT_STYLES.outside)
  return feature
}

function boxFeature(box: PromptBox, place: PromptPlace): Feature {
  const feature = new Feature(new Polygon([boxOutline(box, place)]))
  feature.setStyle(BOX_STYLE)
  return feature
}

export function showPrompts(layer: Overlay, prompts: Prompts, place: PromptPlace): void {
  const points = prompts.points.map(({ x, y, isInside }) =>
    pointFeature(place.toMap([x, y]), isInside),
  )
  const boxes = prompts.box === null ? [] : [boxFeature(prompts.box, place)]
  const source = layer.getSource()
  source?.clear()
  source?.addFeatures([...boxes, ...points])
}
