import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { type Basemap, readBasemap } from 'src/api/basemap'

import { useNoticesStore } from './notices'
import { useRastersStore } from './rasters'
import { readStored, writeStored } from './storage'

const STORAGE_KEY = 'rs.basemap'

/** The map below the raster: its tiles come from another server, so it is off until the user wants it. */
export const useBasemapStore = defineStore('basemap', () => {
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const known = shallowRef<Basemap | null>(null)
  const isOn = ref(readStored(STORAGE_KEY, false))
  /** What is shown in its own pixels has no place on a map of the Earth. */
  const isOffered = computed(() => known.value?.url != null && rasters.tileJson?.space === 'map')
  const isShown = computed(() => isOffered.value && isOn.value)
  /** Address of the tiles; null shows none. */
  const url = computed(() => (isShown.value ? known.value!.url : null))
  const attribution = computed(() => (isShown.value ? known.value!.attribution : ''))

  async function load(): Promise<void> {
    try {
      known.value = await readBasemap()
    } catch (error) {
      notices.report(error)
    }
  }

  watch(isOn, (value) => writeStored(STORAGE_KEY, value))

  return { isOn, isOffered, url, attribution, load }
})
