import type { ClassSummary } from './vocabulary'

export interface SegmentationResult {
  job: string
  n_objects: number
  out_raster: string
  checkpoint: string
  /** What the class mode looked for; null for all objects. This and what follows is absent in older results. */
  class_name?: string | null
  full_cover?: boolean
  resolution_m?: number | null
  /** What became of each class; absent where the raster was not classified. */
  classes?: ClassSummary[]
}

/** One entry of the client's list of rasters. */
export interface RasterSummary {
  raster: string
  width: number
  height: number
  band_count: number
  size_bytes: number
  uploaded: string
  result: SegmentationResult | null
}

export interface Band {
  index: number
  description: string | null
  dtype: string
  color: string | null
  nodata: number | string | null
  min: number | null
  max: number | null
  mean: number | null
  std: number | null
  p2: number | null
  p98: number | null
  scale: number | null
  offset: number | null
  unit: string | null
  approximate?: boolean
}

export interface Crs {
  epsg: number | null
  wkt: string
  name: string
}

/** Pixel (col, row) to map: x = a*col + b*row + c, y = d*col + e*row + f, in the order [a, b, c, d, e, f]. */
export type Transform = [number, number, number, number, number, number]

/** left, bottom, right, top. */
export type Bounds = [number, number, number, number]

export interface RasterMeta {
  raster: string
  width: number
  height: number
  band_count: number
  dtype: string
  driver: string
  crs: Crs | null
  transform: Transform | null
  bounds: Bounds | null
  bounds_wgs84: Bounds | null
  x_resolution: number | null
  y_resolution: number | null
  unit: string | null
  nodata: number | string | null
  georeferenced: boolean
  overviews: number[]
  block_size: [number, number] | null
  size_bytes: number
  side_files: string[]
  bands: Band[]
  approximate?: boolean
}

interface TileJsonBase {
  tilejson: string
  tiles: string[]
  minzoom: number
  maxzoom: number
}

/** Web-Mercator tiles; bounds are lon/lat degrees. */
export interface MapTileJson extends TileJsonBase {
  space: 'map'
  bounds: Bounds
}

/** Tiles counted from the top left pixel; zoom `maxzoom` is full resolution. */
export interface PixelTileJson extends TileJsonBase {
  space: 'pixel'
  width: number
  height: number
  tile_size: number
}

export type TileJson = MapTileJson | PixelTileJson

/** Band indexes start at 1. */
export interface RgbBands {
  r: number
  g: number
  b: number
}

export type Stretch = 'percentile' | 'minmax' | 'none'
