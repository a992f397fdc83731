import TileLayer from 'ol/layer/Tile'
import type OlMap from 'ol/Map'
import type XYZ from 'ol/source/XYZ'

import type { RasterSpace } from './rasterSpace'
import { clipAtSwipe, drawPixelsBeyond } from './tileRendering'

/** The tiles of a raster and of its result. */
export class RasterTiles {
  private readonly imageLayer = new TileLayer<XYZ>({ zIndex: 0 })
  private readonly maskLayer = new TileLayer<XYZ>({ zIndex: 10 })
  private space: RasterSpace | null = null
  private swipePosition: number | null = null

  constructor(private readonly map: OlMap) {
    for (const layer of [this.imageLayer, this.maskLayer]) {
      map.addLayer(layer)
      drawPixelsBeyond(layer, () => this.space?.nativeResolution ?? 0)
    }
    clipAtSwipe(this.maskLayer, map, () => this.swipePosition)
  }

  /** Empties both layers for another raster. */
  showRaster(space: RasterSpace | null): void {
    this.imageLayer.setSource(null)
    this.showResult(null)
    this.space = space
  }

  /** Address of the image tiles; a new one replaces the old without an empty moment. */
  showImage(url: string): void {
    const source = this.imageLayer.getSource()
    if (source) source.setUrl(url)
    else this.setTiles(this.imageLayer, url)
  }

  /**
   * Address of the result's tiles; null shows none. Nothing of the tiles before stays: where the new result is empty
   * there is no tile that would take their place.
   */
  showResult(url: string | null): void {
    if (url === null) this.maskLayer.setSource(null)
    else this.setTiles(this.maskLayer, url)
  }

  setOpacity(opacity: number): void {
    this.maskLayer.setOpacity(opacity)
  }

  /** Draws the result left of this share of the map's width only; null draws all of it. */
  setSwipe(position: number | null): void {
    this.swipePosition = position
    this.map.render()
  }

  private setTiles(layer: TileLayer<XYZ>, url: string): void {
    if (this.space === null) return
    layer.setExtent(this.space.extent)
    layer.setSource(this.space.createSource(url))
  }
}
