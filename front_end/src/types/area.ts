/** Rings of positions: the outline first, then its holes. */
export type PolygonCoordinates = number[][][]

/**
 * The area of interest of a segmentation, as `POST /segment` takes it: lon/lat, or for a raster without CRS the
 * coordinates of its transform, pixels where it has none.
 */
export type AreaGeometry =
  | { type: 'Polygon'; coordinates: PolygonCoordinates }
  | { type: 'MultiPolygon'; coordinates: PolygonCoordinates[] }
