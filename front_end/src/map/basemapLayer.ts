import TileLayer from 'ol/layer/Tile'
import XYZ from 'ol/source/XYZ'

import type { RasterSpace } from './rasterSpace'

/** Finer tiles than these are rare; those there are get magnified instead. */
const MAX_ZOOM = 19

/** Lies below the raster. It has no tiles, and asks nobody for any, until it is given an address. */
export class BasemapLayer {
  readonly layer = new TileLayer<XYZ>({ zIndex: -10 })
  private url: string | null = null
  private space: RasterSpace | null = null

  /** Shows tiles of this address, with `{z}`, `{x}` and `{y}`; null shows none. */
  showUrl(url: string | null): void {
    if (url === this.url) return
    this.url = url
    this.update()
  }

  showRaster(space: RasterSpace | null): void {
    this.space = space
    this.update()
  }

  /** What is shown in its own pixels has no place among tiles of the Earth. */
  private update(): void {
    const isShown = this.url !== null && this.space?.kind === 'map'
    this.layer.setSource(isShown ? new XYZ({ url: this.url!, maxZoom: MAX_ZOOM }) : null)
  }
}
