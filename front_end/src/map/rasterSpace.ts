import type { Extent } from 'ol/extent'
import { Projection, get as getProjection, transformExtent } from 'ol/proj'
import XYZ from 'ol/source/XYZ'
import TileGrid from 'ol/tilegrid/TileGrid'

import type { MapTileJson, PixelTileJson, TileJson } from 'src/types/raster'

/** Web Mercator ends here; a raster that reaches a pole would otherwise have an infinite extent. */
const MERCATOR_LATITUDE_LIMIT = 85.06

/** The plane a raster is shown in: Web Mercator, or its own pixels where it has no place on Earth. */
export interface RasterSpace {
  kind: 'map' | 'pixel'
  projection: Projection
  /** left, bottom, right, top in the projection's units. */
  extent: Extent
  /** Projection units per screen pixel at the finest tiles. */
  nativeResolution: number
  createSource: (url: string) => XYZ
}

/** Resolutions from coarsest to full size: 2^n … 2, 1 pixels per screen pixel. */
export function pixelResolutions(maxZoom: number): number[] {
  return Array.from({ length: maxZoom + 1 }, (_, zoom) => 2 ** (maxZoom - zoom))
}

function createPixelSpace(tileJson: PixelTileJson): RasterSpace {
  const extent: Extent = [0, -tileJson.height, tileJson.width, 0]
  const projection = new Projection({ code: 'raster-pixels', units: 'pixels', extent })
  const tileGrid = new TileGrid({
    extent,
    origin: [0, 0],
    resolutions: pixelResolutions(tileJson.maxzoom),
    minZoom: tileJson.minzoom,
    tileSize: tileJson.tile_size,
  })
  const createSource = (url: string) => new XYZ({ url, projection, tileGrid, wrapX: false })
  return { kind: 'pixel', projection, extent, nativeResolution: 1, createSource }
}

function createMapSpace(tileJson: MapTileJson): RasterSpace {
  const [west, south, lastEast, north] = tileJson.bounds
  // Across the antimeridian east is less than west; the plane goes on beyond 180 degrees instead.
  const wrapX = lastEast < west
  const east = wrapX ? lastEast + 360 : lastEast
  const limited = [
    west,
    Math.max(south, -MERCATOR_LATITUDE_LIMIT),
    east,
    Math.min(north, MERCATOR_LATITUDE_LIMIT),
  ]
  const extent = transformExtent(limited, 'EPSG:4326', 'EPSG:3857')
  const { minzoom: minZoom, maxzoom: maxZoom } = tileJson
  const createSource = (url: string) => new XYZ({ url, minZoom, maxZoom, wrapX })
  const nativeResolution = createSource('').getTileGrid()?.getResolution(maxZoom) ?? 1
  const projection = getProjection('EPSG:3857') as Projection
  return { kind: 'map', projection, extent, nativeResolution, createSource }
}

export function createRasterSpace(tileJson: TileJson): RasterSpace {
  return tileJson.space === 'pixel' ? createPixelSpace(tileJson) : createMapSpace(tileJson)
}
