import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { predictMasks } from 'src/api/predict'
import { ApiError } from 'src/types/error'
import type { Geometry } from 'src/types/object'
import type { PredictRequest } from 'src/types/prompt'

import { useNoticesStore } from './notices'
import { usePromptsStore } from './prompts'
import { useRastersStore } from './rasters'
import { useSegmentationStore } from './segmentation'
import { readStored, writeStored } from './storage'
import { useViewStore } from './view'

const STORAGE_KEY = 'rs.preview'

/** What a click would take where the mouse rests. */
export const usePreviewStore = defineStore('preview', () => {
  const notices = useNoticesStore()
  const prompts = usePromptsStore()
  const rasters = useRastersStore()
  const segmentation = useSegmentationStore()
  const view = useViewStore()
  /** What the user has said; null is nothing yet. */
  const wanted = ref<boolean | null>(readStored<boolean | null>(STORAGE_KEY, null))
  const geometry = shallowRef<Geometry | null>(null)
  let controller = new AbortController()

  const isEmbedded = computed(() =>
    segmentation.checkpoints.some(
      ({ name, embedded }) => embedded && name === segmentation.checkpoint,
    ),
  )
  /** Unasked only with the small network: a large one takes seconds for each place without a graphics card. */
  const isOn = computed(() => wanted.value ?? isEmbedded.value)
  /** Between two objects only: later clicks correct what the first one took. */
  const isWatching = computed(
    () => isOn.value && prompts.isActive && !prompts.isInProgress && !prompts.boxTool,
  )

  /** Shows nothing any more; an answer that is still awaited is not wanted. */
  function leave(): void {
    controller.abort()
    geometry.value = null
  }

  function describeLook(raster: string, x: number, y: number): PredictRequest {
    const point: [number, number, 1] = [x, y, 1]
    // A click takes the best of three. Asked for one, the embedded network gives just that; others have one more.
    const multimask = !isEmbedded.value
    const click = { points: [point], box: null, previous: null, multimask, keep: false }
    return { ...prompts.describeContext(raster), ...click }
  }

  /** Lets the server look at what the map shows, so that the first click there need not wait for it. */
  async function lookAhead([x, y]: [number, number]): Promise<void> {
    const raster = rasters.meta?.raster
    if (raster === undefined || !isWatching.value) return
    try {
      await predictMasks(describeLook(raster, x, y), new AbortController().signal)
    } catch {
      // Nobody asked for it; a click will tell what is wrong.
    }
  }

  /** Asks what a click at a place would take; the last place counts. */
  async function rest([x, y]: [number, number]): Promise<void> {
    const raster = rasters.meta?.raster
    if (raster === undefined || !isWatching.value) return
    controller.abort()
    controller = new AbortController()
    const { signal } = controller
    try {
      const [mask] = await predictMasks(describeLook(raster, x, y), signal)
      if (!signal.aborted) geometry.value = mask?.feature.geometry ?? null
    } catch (error) {
      if (signal.aborted) return
      geometry.value = null
      // What the server says against it the click itself will tell, as it was not asked for.
      if (!(error instanceof ApiError)) notices.report(error)
    }
  }

  function toggle(): void {
    wanted.value = !isOn.value
    writeStored(STORAGE_KEY, wanted.value)
  }

  watch(
    [isWatching, () => rasters.meta, () => [...view.rgbIndex, segmentation.checkpoint].join()],
    leave,
    { flush: 'sync' },
  )

  return { isOn, isWatching, geometry, rest, leave, lookAhead, toggle }
})
