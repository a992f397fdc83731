import Feature from 'ol/Feature'
import type OlGeometry from 'ol/geom/Geometry'
import MultiPoint from 'ol/geom/MultiPoint'
import type MultiPolygon from 'ol/geom/MultiPolygon'
import type Polygon from 'ol/geom/Polygon'
import VectorLayer from 'ol/layer/Vector'
import VectorImageLayer from 'ol/layer/VectorImage'
import VectorSource from 'ol/source/Vector'
import { Circle, Fill, Stroke, Style } from 'ol/style'

import { type Overlay, outlineStyle } from './overlays'

export type AnnotationLayer = VectorImageLayer<VectorSource>

/** The colour of a class; null is no class. */
export type ColorOf = (className: string | null) => string

/** How far beyond the view objects are drawn ahead, so that panning shows no empty border. */
const IMAGE_RATIO = 1.5
/** `#rrggbb` and these digits make a colour through which the image is seen. */
const FILL_ALPHA = '40'
const SELECTED_ALPHA = '66'
/** More corners than this are not marked one by one. */
const MAX_MARKED_CORNERS = 2000

function plainStyle(color: string): Style[] {
  const stroke = new Stroke({ color, width: 1.5 })
  return [new Style({ stroke, fill: new Fill({ color: color + FILL_ALPHA }) })]
}

/** How objects look now. */
export interface ObjectLook {
  colorOf: ColorOf
  /** Whether there are so many that each gets one line instead of two. */
  isMany: boolean
  /** The object that is shown elsewhere, as it is being changed; null is none. */
  hiddenId: number | null
}

interface Shown {
  get: (name: string) => unknown
  getId: () => unknown
}

/** Gives an object its style; styles are made once for each colour. */
function createObjectStyle(look: () => ObjectLook) {
  const styles = new Map<string, Style[]>()
  return (feature: Shown): Style[] => {
    const { colorOf, isMany, hiddenId } = look()
    if (feature.getId() === hiddenId) return []
    const color = colorOf(feature.get('class') as string | null)
    const key = `${color} ${isMany}`
    let known = styles.get(key)
    if (known === undefined) {
      known = isMany ? plainStyle(color) : outlineStyle(color, color + FILL_ALPHA)
      styles.set(key, known)
    }
    return known
  }
}

/** Draws through an image, which stays smooth with tens of thousands of objects. */
export function createAnnotationLayer(look: () => ObjectLook): AnnotationLayer {
  const style = createObjectStyle(look)
  const source = new VectorSource()
  return new VectorImageLayer({ source, style, zIndex: 35, imageRatio: IMAGE_RATIO })
}

/** Takes the few objects that have just come, so that the picture of all others need not be drawn again. */
export function createFreshLayer(look: () => ObjectLook): Overlay {
  return new VectorLayer({ source: new VectorSource(), style: createObjectStyle(look), zIndex: 35 })
}

/** What is selected lies above the rest, in the colour of its class with a white border. */
export function createSelectedLayer(look: () => ObjectLook): Overlay {
  const style = (feature: { get: (name: string) => unknown }): Style[] => {
    const color = look().colorOf(feature.get('class') as string | null)
    return [
      ...outlineStyle('#ffffff', color + SELECTED_ALPHA),
      new Style({ stroke: new Stroke({ color, width: 1.5, lineDash: [6, 5] }) }),
    ]
  }
  return new VectorLayer({ source: new VectorSource(), style, zIndex: 36 })
}

function corners(geometry: OlGeometry): number[][] {
  const isMulti = geometry.getType() === 'MultiPolygon'
  return isMulti
    ? (geometry as MultiPolygon).getCoordinates().flat(2)
    : (geometry as Polygon).getCoordinates().flat()
}

/** The outline that is being changed by hand, with its corners. */
export function createEditedLayer(): Overlay {
  const outline = outlineStyle('#39c6ff', 'rgba(57, 198, 255, 0.25)')
  const image = new Circle({
    radius: 4.5,
    fill: new Fill({ color: '#ffffff' }),
    stroke: new Stroke({ color: '#0f6b6b', width: 2 }),
  })
  const style = (feature: { getGeometry: () => unknown }): Style[] => {
    const places = corners(feature.getGeometry() as OlGeometry)
    if (places.length > MAX_MARKED_CORNERS) return outline
    return [...outline, new Style({ image, geometry: new MultiPoint(places) })]
  }
  return new VectorLayer({ source: new VectorSource(), style, zIndex: 45 })
}

/** The line and the corner under the pointer while one draws or edits. */
export function sketchStyle(): Style[] {
  const white = new Stroke({ color: '#ffffff', width: 2 })
  const image = new Circle({ radius: 6, fill: new Fill({ color: '#c4652f' }), stroke: white })
  return [...outlineStyle('#ffd166', 'rgba(255, 209, 102, 0.2)'), new Style({ image })]
}

export function createObjectFeature(
  geometry: OlGeometry,
  id: number,
  className: string | null,
): Feature {
  const feature = new Feature(geometry)
  feature.setId(id)
  feature.set('class', className, true)
  return feature
}
