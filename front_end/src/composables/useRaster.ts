import { computed } from 'vue'

import { maskTileUrl, rasterTileUrl } from 'src/api/rasters'
import { useRastersStore } from 'src/stores/rasters'
import { useShownClassesStore } from 'src/stores/shownClasses'
import { useViewStore } from 'src/stores/view'

/** FNV-1a over a text, in base 36: short, and different for different texts with near certainty. */
export function hashText(text: string): string {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return (hash >>> 0).toString(36)
}

/** Tile addresses of the current raster and of its result, for the choices made in the panels. */
export function useRaster() {
  const rasters = useRastersStore()
  const shownClasses = useShownClassesStore()
  const view = useViewStore()

  const revision = computed(() => {
    const { meta, summary } = rasters
    const facts = [
      summary?.uploaded,
      meta?.transform,
      meta?.crs?.wkt,
      meta?.nodata,
      meta?.side_files,
    ]
    return hashText(JSON.stringify(facts))
  })

  const imageUrl = computed(() => {
    const tiles = rasters.tileJson?.tiles[0]
    if (tiles === undefined) return null
    return rasterTileUrl(tiles, view.settings.bands, view.settings.stretch, revision.value)
  })

  const resultUrl = computed(() => {
    const { meta, result, selected } = rasters
    // While another raster loads, the map still shows the one before it.
    if (meta?.raster !== selected) return null
    const job = `${result?.job}-${revision.value}`
    return meta && result ? maskTileUrl(meta.raster, job, shownClasses.query) : null
  })

  return { imageUrl, resultUrl }
}
