import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'

import { readObject } from 'src/api/rasters'
import type { ObjectFeature } from 'src/types/object'

import { useNoticesStore } from './notices'
import { useRastersStore } from './rasters'

/** The object of the result that was clicked last. */
export const useSelectionStore = defineStore('selection', () => {
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const feature = shallowRef<ObjectFeature | null>(null)
  /** True when the last click met no object. */
  const isEmpty = ref(false)
  let controller = new AbortController()

  function clear(): void {
    controller.abort()
    feature.value = null
    isEmpty.value = false
  }

  /** Looks up the object at a position; a newer click overtakes an older one. */
  async function pick(position: [number, number], space: 'map' | 'pixel'): Promise<void> {
    if (rasters.meta === null || rasters.result === null) return
    controller.abort()
    controller = new AbortController()
    const { signal } = controller
    try {
      const found = await readObject(rasters.meta.raster, position, space, signal)
      if (signal.aborted) return
      feature.value = found
      isEmpty.value = found === null
    } catch (error) {
      notices.report(error)
    }
  }

  return { feature, isEmpty, pick, clear }
})
