import type Feature from 'ol/Feature'
import type VectorLayer from 'ol/layer/Vector'
import type VectorImageLayer from 'ol/layer/VectorImage'
import type VectorSource from 'ol/source/Vector'
import Polygon from 'ol/geom/Polygon'
import OlMap from 'ol/Map'
import View from 'ol/View'
import { describe, expect, it, vi } from 'vitest'

import { AnnotationMap } from 'src/map/annotationMap'
import { CandidateMap } from 'src/map/candidateMap'
import { readGeometry, writeGeometry } from 'src/map/geojson'
import { createRasterSpace } from 'src/map/rasterSpace'
import { VertexEditor } from 'src/map/vertexEditor'
import type { Annotation } from 'src/types/annotation'
import type { ObjectFeature } from 'src/types/object'

const SPACE = createRasterSpace({
  tilejson: '3.0.0',
  space: 'pixel',
  tiles: [],
  minzoom: 0,
  maxzoom: 0,
  width: 100,
  height: 100,
  tile_size: 256,
})

/** A square of pixels with its top left corner at x, y. */
function square(id: number, x: number, y: number, side: number, revision = 1): Annotation {
  const ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]] // prettier-ignore
  const properties = { id, revision, class: null, area_px: side * side }
  return {
    type: 'Feature',
    geometry: { type: 'Polygon', coordinates: [ring] },
    properties,
  } as unknown as Annotation
}

function createMap() {
  const map = new OlMap({
    controls: [],
    view: new View({ projection: SPACE.projection, center: [12, -12] }),
  })
  const annotations = new AnnotationMap(map)
  annotations.showRaster(SPACE)
  const layer = map.getLayers().item(0) as VectorImageLayer<VectorSource<Feature>>
  return { map, annotations, source: layer.getSource()! }
}

describe('accepted objects on the map', () => {
  it('keep their feature while they do not change', () => {
    const { annotations, source } = createMap()
    const [first, second, third] = [square(1, 0, 0, 9), square(2, 20, 0, 9), square(3, 40, 0, 9)]
    annotations.objects.show([first, second, third])
    const kept = source.getFeatureById(1)
    const before = source.getFeatureById(2)
    annotations.objects.show([first, square(2, 20, 0, 5, 2), square(4, 60, 0, 9)])
    expect(source.getFeatureById(1)).toBe(kept)
    expect(source.getFeatureById(2)).not.toBe(before)
    expect(source.getFeatures().map((item) => item.getId()).sort()).toEqual([1, 2, 4]) // prettier-ignore
    annotations.objects.show([])
    expect(source.getFeatures()).toEqual([])
  })

  it('are found by a click, the inner one first', () => {
    const { annotations, map } = createMap()
    annotations.objects.show([square(1, 0, 0, 50), square(2, 10, 10, 5)])
    const onPick = vi.fn()
    annotations.listen(onPick)
    annotations.clickCentre()
    map.getView().setCenter([40, -40])
    annotations.clickCentre()
    map.getView().setCenter([90, -90])
    annotations.clickCentre()
    expect(onPick.mock.calls).toEqual([
      [2, false],
      [1, false],
      [null, false],
    ])
    expect(annotations.ownsClick()).toBe(true)
    annotations.listen(null)
    expect(annotations.ownsClick()).toBe(false)
  })

  it('that come to many others do not have them drawn again', () => {
    const { annotations, source } = createMap()
    const many = Array.from({ length: 3001 }, (_, index) => square(index + 1, index, 0, 1))
    annotations.objects.show(many)
    const revision = source.getRevision()
    const onPick = vi.fn()
    annotations.listen(onPick)
    const added = [...many, square(5000, 10, 10, 5)]
    annotations.objects.show(added)
    expect(source.getRevision()).toBe(revision)
    annotations.clickCentre()
    expect(onPick).toHaveBeenCalledWith(5000, false)
    annotations.objects.show(many)
    annotations.clickCentre()
    expect(onPick).toHaveBeenLastCalledWith(null, false)
  })

  it('are not drawn under the outline that is being changed', () => {
    const { annotations, map, source } = createMap()
    annotations.objects.show([square(1, 0, 0, 9), square(2, 20, 0, 9)])
    const layer = map.getLayers().item(0) as VectorImageLayer<VectorSource<Feature>>
    const drawn = () =>
      [1, 2].filter((id) => {
        const styles = layer.getStyleFunction()!(source.getFeatureById(id)!, 1) as unknown[]
        return styles.length > 0
      })
    annotations.objects.hide(1)
    expect(drawn()).toEqual([2])
    annotations.objects.hide(null)
    expect(drawn()).toEqual([1, 2])
  })

  it('without a place are left out', () => {
    const { annotations, source } = createMap()
    annotations.objects.show([{ ...square(1, 0, 0, 9), geometry: null }])
    expect(source.getFeatures()).toEqual([])
  })

  it('are given out as they came in while nobody moves a corner', () => {
    const { annotations } = createMap()
    const { geometry } = square(1, 3, 4, 5)
    expect(annotations.editedGeometry).toBeNull()
    annotations.edit(geometry!)
    expect(annotations.ownsClick()).toBe(true)
    const extent = readGeometry(annotations.editedGeometry!, 'pixel').getExtent()
    expect(extent).toEqual([3, -9, 8, -4])
    annotations.stop()
    expect(annotations.editedGeometry).toBeNull()
  })
})

describe('editing corners', () => {
  it('goes back step by step', () => {
    const map = new OlMap({ controls: [] })
    const editor = new VertexEditor(map)
    const ring = [[0, 0], [4, 0], [4, 4], [0, 0]] // prettier-ignore
    editor.start(new Polygon([ring]))
    const modify = map.getInteractions().getArray().at(-1)!
    const shape = editor.geometry as Polygon
    shape.setCoordinates([[[0, 0], [9, 0], [9, 9], [0, 0]]]) // prettier-ignore
    modify.dispatchEvent('modifyend')
    expect(editor.geometry?.getExtent()).toEqual([0, 0, 9, 9])
    editor.undo()
    editor.undo()
    expect(editor.geometry?.getExtent()).toEqual([0, 0, 4, 4])
  })
})

describe('a shape for the server', () => {
  it('is what was read', () => {
    const ring = [[116.5, 39.5], [116.6, 39.5], [116.6, 39.6], [116.5, 39.5]] // prettier-ignore
    const geometry = { type: 'Polygon', coordinates: [ring] }
    for (const space of ['map', 'pixel'] as const) {
      const written = writeGeometry(readGeometry(geometry, space), space)
      expect(readGeometry(written, space).getExtent()).toEqual(
        readGeometry(geometry, space).getExtent().map((value) => expect.closeTo(value, 3)), // prettier-ignore
      )
    }
  })
})

describe('proposed objects on the map', () => {
  function propose(id: number, side: number, isLeftOut = false) {
    return { feature: square(id, 10, 10, side) as unknown as ObjectFeature, isLeftOut }
  }

  it('are those shown now, the left-out ones in another style, each made once', () => {
    const map = new OlMap({ controls: [] })
    const shown = new CandidateMap(map)
    shown.showRaster('pixel')
    const layer = map.getLayers().item(0) as VectorLayer<VectorSource<Feature>>
    const style = layer.getStyleFunction()!
    const [first, second] = [propose(1, 20), propose(2, 5)]
    shown.show([first, second])
    const before = layer.getSource()!.getFeatureById(1)!
    const taken = style(before, 1)
    shown.show([{ ...first, isLeftOut: true }])
    expect(layer.getSource()!.getFeatures()).toEqual([before])
    expect(style(before, 1)).not.toBe(taken)
  })

  it('are met by a click, the inner one first', () => {
    const map = new OlMap({
      controls: [],
      view: new View({ projection: SPACE.projection, center: [12, -12] }),
    })
    const shown = new CandidateMap(map)
    shown.showRaster('pixel')
    shown.show([propose(1, 20), propose(2, 5)])
    const onPick = vi.fn()
    shown.clickCentre()
    shown.listen(onPick)
    shown.clickCentre()
    map.getView().setCenter([20, -20])
    shown.clickCentre()
    map.getView().setCenter([90, -90])
    shown.clickCentre()
    expect(onPick.mock.calls).toEqual([[2], [1]])
  })
})
