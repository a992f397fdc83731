import Feature from 'ol/Feature'
import Point from 'ol/geom/Point'
import Polygon from 'ol/geom/Polygon'
import VectorImageLayer from 'ol/layer/VectorImage'
import VectorLayer from 'ol/layer/Vector'
import VectorSource from 'ol/source/Vector'
import { Circle, Fill, RegularShape, Stroke, Style } from 'ol/style'

import { classColor } from 'src/composables/classColor'
import type { Annotation } from 'src/types/annotation'
import type { PromptBox, Prompts, Space } from 'src/types/prompt'

import { readGeometry } from './geojson'
import { type Overlay, outlineStyle } from './overlays'
import { boxOutline, type PromptPlace } from './promptPlace'

export type AnnotationLayer = VectorImageLayer<VectorSource>

/** How far beyond the view annotations are drawn ahead, so that panning shows no empty border. */
const IMAGE_RATIO = 1.5

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

/** Draws through an image, which stays smooth with thousands of objects. */
export function createAnnotationLayer(): AnnotationLayer {
  const styles = new Map<string, Style[]>()
  const style = (feature: { get: (name: string) => unknown }): Style[] => {
    const color = String(feature.get('color'))
    const isSelected = feature.get('isSelected') === true
    const key = `${color} ${isSelected}`
    const known = styles.get(key) ?? outlineStyle(color, `${color}${isSelected ? '80' : '33'}`)
    styles.set(key, known)
    return known
  }
  return new VectorImageLayer({
    source: new VectorSource(),
    style,
    zIndex: 35,
    imageRatio: IMAGE_RATIO,
  })
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

export function showAnnotations(
  layer: AnnotationLayer,
  objects: Annotation[],
  selectedId: number | null,
  space: Space,
): void {
  const features = objects.map(({ geometry, properties }) => {
    const feature = new Feature(readGeometry(geometry, space))
    feature.set('color', classColor(properties.class), true)
    feature.set('isSelected', properties.id === selectedId, true)
    return feature
  })
  const source = layer.getSource()
  source?.clear(true)
  source?.addFeatures(features)
}
