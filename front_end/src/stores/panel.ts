import { defineStore } from 'pinia'
import { ref, watch } from 'vue'

import { readStored, writeStored } from './storage'

const STORAGE_KEY = 'rs.panel'

export type PanelTab = 'raster' | 'segment' | 'classes' | 'objects' | 'result'

/** Which panel is in front, and whether the side drawer is open. */
export const usePanelStore = defineStore('panel', () => {
  const tab = ref<PanelTab>(readStored<PanelTab>(STORAGE_KEY, 'raster'))
  const isOpen = ref(true)

  function show(name: PanelTab): void {
    tab.value = name
    isOpen.value = true
  }

  watch(tab, (value) => writeStored(STORAGE_KEY, value))

  return { tab, isOpen, show }
})
