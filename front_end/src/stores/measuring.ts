import { defineStore } from 'pinia'
import { ref, shallowRef, watch } from 'vue'

import type { Measure, MeasureKind } from 'src/types/measure'

import { useRastersStore } from './rasters'

/** What is being measured on the map. */
export const useMeasuringStore = defineStore('measuring', () => {
  const rasters = useRastersStore()
  /** null where the tool is not in use. */
  const kind = ref<MeasureKind | null>(null)
  const measured = shallowRef<Measure | null>(null)

  /** Takes the tool up for another shape, or lays it down. */
  function use(next: MeasureKind | null): void {
    measured.value = null
    kind.value = next
  }

  /** Takes up the tool, or lays it down where it is in use already. */
  function toggle(wanted: MeasureKind): void {
    use(kind.value === wanted ? null : wanted)
  }

  watch(
    () => rasters.meta,
    () => use(null),
    { flush: 'sync' },
  )

  return { kind, measured, use, toggle, clear: () => (measured.value = null) }
})
