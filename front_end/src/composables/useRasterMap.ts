import {
  onBeforeUnmount,
  onMounted,
  shallowRef,
  triggerRef,
  watch,
  watchEffect,
  type ShallowRef,
} from 'vue'

import { useRaster } from 'src/composables/useRaster'
import type { North } from 'src/map/north'
import type { PointerPosition } from 'src/map/pointerPlace'
import { RasterMap } from 'src/map/rasterMap'
import type { ScaleBar } from 'src/map/scale'
import { useBasemapStore } from 'src/stores/basemap'
import { usePromptsStore } from 'src/stores/prompts'
import { useRastersStore } from 'src/stores/rasters'
import { useSelectionStore } from 'src/stores/selection'
import { useViewStore } from 'src/stores/view'

/** Makes the map in an element, keeps the raster, its result and the basemap on it, and tells what it reports. */
export function useRasterMap(target: Readonly<ShallowRef<HTMLElement | null>>) {
  const basemap = useBasemapStore()
  const prompts = usePromptsStore()
  const rasters = useRastersStore()
  const selection = useSelectionStore()
  const view = useViewStore()
  const { imageUrl, resultUrl } = useRaster()

  const rasterMap = shallowRef<RasterMap | null>(null)
  const pointer = shallowRef<PointerPosition | null>(null)
  const scale = shallowRef<ScaleBar | null>(null)
  const north = shallowRef<North | null>(null)

  function showRaster(map: RasterMap): void {
    map.showRaster(rasters.meta, rasters.tileJson)
    if (imageUrl.value !== null) map.tiles.showImage(imageUrl.value)
    map.showResult(resultUrl.value)
    view.canDrawWindow = map.canConvert
    prompts.space = map.prompts.promptSpace
    north.value = map.north
    pointer.value = null
    selection.clear()
    // What lies over the raster has to be placed anew.
    triggerRef(rasterMap)
  }

  function createMap(element: HTMLElement): RasterMap {
    return new RasterMap(element, {
      onPointer: (position) => (pointer.value = position),
      onScale: (bar) => (scale.value = bar),
      onView: (window) => (view.visible = window),
      onClick: (position, space) => void selection.pick(position, space),
    })
  }

  onMounted(() => {
    if (target.value === null) return
    const map = createMap(target.value)
    // For browser tests: `await page.evaluate("window.rsMap.getView().getZoom()")`.
    window.rsMap = map.map
    rasterMap.value = map

    watch(
      () => rasters.meta,
      () => showRaster(map),
      { immediate: true },
    )
    watch(resultUrl, () => selection.clear())
    watchEffect(() => imageUrl.value && map.tiles.showImage(imageUrl.value))
    watchEffect(() => map.showResult(resultUrl.value))
    watchEffect(() => map.tiles.setOpacity(view.settings.opacity))
    watchEffect(() =>
      map.tiles.setSwipe(view.settings.swipe && resultUrl.value ? view.swipePosition : null),
    )
    watchEffect(() => map.highlight(selection.feature))
    watchEffect(() => map.basemap.showUrl(basemap.url))
  })

  onBeforeUnmount(() => {
    rasterMap.value?.dispose()
    delete window.rsMap
  })

  return { rasterMap, pointer, scale, north, resultUrl }
}
