import type { MapBrowserEvent } from 'ol'
import Feature from 'ol/Feature'
import type { Coordinate } from 'ol/coordinate'
import VectorLayer from 'ol/layer/Vector'
import type OlMap from 'ol/Map'
import { getArea } from 'ol/extent'
import VectorSource from 'ol/source/Vector'

import type { ObjectFeature } from 'src/types/object'
import type { Space } from 'src/types/prompt'
import type { Candidate } from 'src/types/similar'

import { readGeometry } from './geojson'
import { outlineStyle } from './overlays'

const DASH = [7, 5]
const TAKEN = outlineStyle('#ff7ad9', 'rgba(255, 122, 217, 0.22)', DASH)
const LEFT_OUT = outlineStyle('#c3ccd0', 'rgba(0, 0, 0, 0)', [2, 6])

/** The part of the map where proposed objects are shown above the accepted ones, and taken or left by a click. */
export class CandidateMap {
  private space: Space = 'pixel'
  private onPick: ((id: number) => void) | null = null
  /** Made once for each outline, however often what is shown changes. */
  private readonly features = new WeakMap<ObjectFeature, Feature>()
  private readonly source = new VectorSource()

  constructor(private readonly map: OlMap) {
    const style = (feature: { get: (name: string) => unknown }) =>
      feature.get('isLeftOut') ? LEFT_OUT : TAKEN
    map.addLayer(new VectorLayer({ source: this.source, style, zIndex: 38 }))
    map.on('click', (event) => this.pick((event as MapBrowserEvent).coordinate))
  }

  /** Whether clicks mean candidates. */
  get isActive(): boolean {
    return this.onPick !== null
  }

  showRaster(space: Space): void {
    this.space = space
    this.source.clear(true)
  }

  /** Reports clicks on candidates; null reports none. */
  listen(onPick: ((id: number) => void) | null): void {
    this.onPick = onPick
  }

  /** Shows these and no others. */
  show(candidates: readonly Candidate[]): void {
    this.source.clear(true)
    this.source.addFeatures(
      candidates.map(({ feature, isLeftOut }) => {
        const shown = this.findFeature(feature)
        shown.set('isLeftOut', isLeftOut)
        return shown
      }),
    )
  }

  /** Acts as a click in the middle of the map, for those who use no pointer. */
  clickCentre(): void {
    const centre = this.map.getView().getCenter()
    if (centre) this.pick(centre)
  }

  private findFeature(item: ObjectFeature): Feature {
    const known = this.features.get(item)
    if (known !== undefined) return known
    const feature = new Feature(readGeometry(item.geometry, this.space))
    feature.setId(item.properties.id)
    this.features.set(item, feature)
    return feature
  }

  /** The smallest at a place, as what lies within another could not be met otherwise. */
  private pick(coordinate: Coordinate): void {
    if (this.onPick === null) return
    const size = (feature: Feature) => getArea(feature.getGeometry()!.getExtent())
    const found = this.source.getFeaturesAtCoordinate(coordinate)
    const [smallest] = found.sort((one, other) => size(one) - size(other))
    if (smallest !== undefined) this.onPick(Number(smallest.getId()))
  }
}
