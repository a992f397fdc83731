import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'

import { defaultBands } from 'src/composables/bandPresets'
import type { AreaGeometry } from 'src/types/area'
import type { RasterMeta, RgbBands, Stretch } from 'src/types/raster'
import type { PixelWindow } from 'src/types/segmentation'

import { readStored, writeStored } from './storage'

const STORAGE_KEY = 'rs.view'
/** Settings of older rasters are forgotten beyond this many, to keep the storage small. */
const MAX_REMEMBERED = 50

export interface ViewSettings {
  bands: RgbBands
  stretch: Stretch
  /** 0..1 */
  opacity: number
  /** Whether the result is compared with the image by a swipe line. */
  swipe: boolean
  window: PixelWindow | null
  /** Only what lies inside is segmented; null means no such limit. */
  area: AreaGeometry | null
  /** Metres per pixel that the network sees; null means the raster's own. */
  resolutionM: number | null
}

function initialSettings(): ViewSettings {
  return {
    bands: { r: 1, g: 2, b: 3 },
    stretch: 'percentile',
    opacity: 0.55,
    swipe: false,
    window: null,
    area: null,
    resolutionM: null,
  }
}

function fitsRaster(settings: ViewSettings, meta: RasterMeta): boolean {
  const { r, g, b } = settings.bands
  const { window, resolutionM } = settings
  const inside =
    window === null ||
    (window.col + window.width <= meta.width && window.row + window.height <= meta.height)
  // Metres need a place on Earth, which a file uploaded again may have lost.
  const hasMetres = resolutionM === null || meta.georeferenced
  return Math.max(r, g, b) <= meta.band_count && inside && hasMetres
}

/** How the current raster is shown; remembered per raster in this browser. */
export const useViewStore = defineStore('view', () => {
  const remembered = ref<Record<string, ViewSettings>>(readStored(STORAGE_KEY, {}))
  const raster = ref<string | null>(null)
  const settings = ref<ViewSettings>(initialSettings())
  /** 0..1 of the map's width; the result is drawn left of it. Not remembered. */
  const swipePosition = ref(0.5)
  /** What is being drawn on the map. */
  const drawing = ref<'window' | 'area' | null>(null)
  /** The part of the raster that the map shows; null where none is, or where it cannot be told in pixels. */
  const visible = ref<PixelWindow | null>(null)
  /** False where the browser cannot turn a box on the map into pixels exactly. */
  const canDrawWindow = ref(true)
  const rgbIndex = computed<[number, number, number]>(() => {
    const { r, g, b } = settings.value.bands
    return [r, g, b]
  })

  /** Brings back the settings of a raster, or suitable first ones. */
  function restore(meta: RasterMeta): void {
    raster.value = meta.raster
    drawing.value = null
    const stored = { ...initialSettings(), ...remembered.value[meta.raster] }
    const known = meta.raster in remembered.value && fitsRaster(stored, meta)
    settings.value = known ? stored : { ...initialSettings(), bands: defaultBands(meta.bands) }
  }

  watch(
    settings,
    (value) => {
      if (raster.value === null) return
      const others = Object.entries(remembered.value).filter(([name]) => name !== raster.value)
      const kept = others.slice(-(MAX_REMEMBERED - 1))
      remembered.value = Object.fromEntries([...kept, [raster.value, { ...value }]])
      writeStored(STORAGE_KEY, remembered.value)
    },
    { deep: true },
  )

  return { settings, swipePosition, drawing, visible, canDrawWindow, rgbIndex, restore }
})
