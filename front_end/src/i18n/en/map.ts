export default {
  map: {
    label:
      'Map of the raster. Arrow keys pan, plus and minus zoom, Enter shows the object in the middle.',
    fit: 'Fit to raster',
    zoomIn: 'Zoom in',
    zoomOut: 'Zoom out',
    emptyTitle: 'Every object in your imagery, outlined',
    emptyText: 'Drop a GeoTIFF anywhere on this page, or start with the sample scene.',
    loading: 'Loading the raster',
    failed: 'This raster cannot be shown.',
    retry: 'Try again',
    north: 'North',
    yUp: 'Direction in which y grows; this raster has no CRS that tells north',
    pixel: 'col {col}, row {row}',
    drawing: 'Drag a box over the area to segment',
    drawingArea: 'Click the corners; a double click or the first corner ends it, Esc gives up',
    drawOutside: 'That box lies outside the raster. Draw it over the image.',
  },
  measure: {
    title: 'Measure',
    distance: 'Measure a distance',
    area: 'Measure an area',
    beginDistance: 'Click along what you measure; a double click ends the line',
    beginArea: 'Click the corners; a double click ends the area',
    both: '{area}, {length} around',
    pixels: '{area} square pixels',
    clear: 'Clear the measurement',
  },
  basemap: {
    title: 'Basemap below the raster',
  },
}
