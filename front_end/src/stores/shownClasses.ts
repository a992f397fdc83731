import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { useRastersStore } from './rasters'

/** What of the classes of the current result the map shows. */
export const useShownClassesStore = defineStore('shownClasses', () => {
  const rasters = useRastersStore()
  const classes = computed(() => rasters.result?.classes ?? [])
  const hidden = shallowRef<ReadonlySet<number>>(new Set())
  /** Pixels whose class is less probable are not shown, 0..1. */
  const minProbability = ref(0)
  /** What the addresses of the tiles say; nothing where everything is shown. */
  const query = computed(() => ({
    min_probability: minProbability.value || undefined,
    hidden: [...hidden.value].sort((one, other) => one - other).join() || undefined,
  }))

  function toggle(id: number): void {
    const next = new Set(hidden.value)
    if (!next.delete(id)) next.add(id)
    hidden.value = next
  }

  watch(
    () => rasters.result?.job,
    () => {
      hidden.value = new Set()
      minProbability.value = 0
    },
    { flush: 'sync' },
  )

  return { classes, hidden, minProbability, query, toggle }
})
