/** Files that describe a raster (georeferencing, statistics, overviews) and are no raster themselves. */
const SIDE_FILE_SUFFIXES = [
  '.tfw',
  '.tifw',
  '.wld',
  '.jgw',
  '.pgw',
  '.j2w',
  '.prj',
  '.aux.xml',
  '.ovr',
  '.rrd',
  '.msk',
  '.rpb',
  '_rpc.txt',
]

export const RASTER_SUFFIXES = ['.tif', '.tiff', '.png', '.jpg', '.jpeg', '.jp2', '.j2k']

/** What the file picker offers; the server decides by content. */
export const ACCEPTED_FILES = [...RASTER_SUFFIXES, ...SIDE_FILE_SUFFIXES, '.xml', '.txt'].join(',')

export function isSideFile(name: string): boolean {
  const lower = name.toLowerCase()
  return SIDE_FILE_SUFFIXES.some((suffix) => lower.endsWith(suffix))
}

/** Side files go first, so that their raster is read with them from the start. */
export function sortDroppedFiles(files: Iterable<File>): { sideFiles: File[]; rasters: File[] } {
  const all = [...files]
  return {
    sideFiles: all.filter((file) => isSideFile(file.name)),
    rasters: all.filter((file) => !isSideFile(file.name)),
  }
}

/** Files with objects; the server decides by content here too. */
export const VECTOR_FILES = ['.geojson', '.gpkg', '.fgb', '.zip', '.json']

export function isVectorFile(name: string): boolean {
  const lower = name.toLowerCase()
  return VECTOR_FILES.some((suffix) => lower.endsWith(suffix))
}
