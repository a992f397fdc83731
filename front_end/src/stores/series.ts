import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { startPrompts } from 'src/api/prompts'
import type { Series, SeriesKind } from 'src/types/series'

import { useAnnotationsStore } from './annotations'
import { usePromptJobsStore } from './promptJobs'
import { useRastersStore } from './rasters'

/** The server takes no more at once. */
export const MAX_PROMPTS = 5000

/** Many prompts set at once along a line or in a polygon, each for an object of its own. */
export const useSeriesStore = defineStore('series', () => {
  const annotations = useAnnotationsStore()
  const promptJobs = usePromptJobsStore()
  const rasters = useRastersStore()
  /** What the pointer draws; null where the tool is not in use. */
  const kind = ref<SeriesKind | null>(null)
  /** Whether there is a shape to set prompts on. */
  const isDrawn = ref(false)
  /** Metres, or pixels without a place on Earth; null until a shape suggests it. */
  const spacing = ref<number | null>(null)
  const series = shallowRef<Series | null>(null)
  const count = computed(() => series.value?.points.length ?? 0)
  const isTooMany = computed(() => count.value > MAX_PROMPTS)
  const canSend = computed(() => count.value > 0 && !isTooMany.value && !promptJobs.isBusy)

  function clear(): void {
    isDrawn.value = false
    series.value = null
  }

  /** Takes the tool up for another shape, or lays it down. */
  function use(next: SeriesKind | null): void {
    clear()
    kind.value = next
  }

  /** Takes up the tool, or lays it down where it is in use already. */
  function toggle(wanted: SeriesKind): void {
    use(kind.value === wanted ? null : wanted)
  }

  /** Has the object of each prompt outlined; the shape goes once the server has taken them. */
  async function send(): Promise<void> {
    const sent = series.value
    if (sent === null || !canSend.value) return
    const name = annotations.nextClass
    const prompts = sent.points.map((point) => ({ point }))
    const isTaken = await promptJobs.start((context) =>
      startPrompts({ ...context, prompts, space: sent.space, class: name }),
    )
    if (isTaken && series.value === sent) clear()
  }

  watch(
    () => rasters.meta,
    () => {
      use(null)
      // What suits one raster may be far too much for the next.
      spacing.value = null
    },
    { flush: 'sync' },
  )

  return { kind, isDrawn, spacing, series, count, isTooMany, canSend, use, toggle, clear, send }
})
