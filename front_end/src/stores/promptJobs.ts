import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { cancelJob, listJobs } from 'src/api/jobs'
import { pollJob } from 'src/composables/pollJob'
import { toApiError } from 'src/types/error'
import { isActive, isPrompting, type Job } from 'src/types/job'
import type { PromptsJob, PromptsRequest, PromptsResult } from 'src/types/series'

import { useLayerStore } from './layer'
import { useNoticesStore } from './notices'
import { useRastersStore } from './rasters'
import { useSegmentationStore } from './segmentation'
import { useViewStore } from './view'

/** Whose image the prompts are about, and what looks at it. */
export type PromptsContext = Pick<PromptsRequest, 'raster' | 'rgb_index' | 'checkpoint'>

/** The latest job of many prompts of each raster, followed until it ends and its objects are in the layer. */
export const usePromptJobsStore = defineStore('promptJobs', () => {
  const layer = useLayerStore()
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const segmentation = useSegmentationStore()
  const view = useViewStore()
  const byRaster = shallowRef<Readonly<Record<string, PromptsJob>>>({})
  const isStarting = ref(false)
  const job = computed(() => byRaster.value[rasters.meta?.raster ?? ''] ?? null)
  const isBusy = computed(() => isStarting.value || (job.value !== null && isActive(job.value)))
  /** What came of the prompts; null until they are done. */
  const result = computed(() =>
    job.value?.state === 'done' ? (job.value.result as unknown as PromptsResult) : null,
  )
  const notes = computed(() => job.value?.notes ?? [])

  function set(raster: string, next: PromptsJob | null): void {
    const others = Object.entries(byRaster.value).filter(([name]) => name !== raster)
    const own = next === null ? [] : [[raster, next] as const]
    byRaster.value = Object.fromEntries([...others, ...own])
  }

  async function finish(ended: PromptsJob): Promise<void> {
    if (ended.error !== null) notices.report(toApiError(ended.error))
    // Another raster's layer is read when that is chosen.
    if (ended.state === 'done' && rasters.meta?.raster === ended.raster) await layer.refresh()
    set(ended.raster, ended)
  }

  /** Follows a job to its end, whatever the page shows. */
  async function follow(started: PromptsJob): Promise<void> {
    const { raster, notes: said } = started
    const onUpdate = (update: Job): void => {
      // The layer must have the objects before the page says "done".
      if (update.state !== 'done') set(raster, { ...update, notes: said })
    }
    set(raster, started)
    try {
      const isOver = !isActive(started)
      const ended = isOver
        ? started
        : await pollJob(started.job, { onUpdate, onTrouble: notices.report })
      await finish({ ...ended, notes: said })
    } catch (error) {
      set(raster, null)
      notices.report(error)
    }
  }

  /**
   * Starts a job on the current raster, and tells whether the server has taken it.
   *
   * @param ask sends the prompts
   */
  async function start(ask: (context: PromptsContext) => Promise<PromptsJob>): Promise<boolean> {
    const raster = rasters.meta?.raster
    if (raster === undefined || isBusy.value) return false
    isStarting.value = true
    notices.dismiss()
    const checkpoint = segmentation.checkpoint ?? undefined
    try {
      void follow(await ask({ raster, rgb_index: view.rgbIndex, checkpoint }))
      return true
    } catch (error) {
      notices.report(error)
      return false
    } finally {
      isStarting.value = false
    }
  }

  /** Finds the jobs that were running when the page was last left. */
  async function restore(): Promise<void> {
    try {
      for (const known of (await listJobs()).filter(isPrompting).filter(isActive)) {
        void follow(known)
      }
    } catch (error) {
      notices.report(error)
    }
  }

  async function cancel(): Promise<void> {
    if (job.value === null) return
    try {
      await cancelJob(job.value.job)
    } catch (error) {
      notices.report(error)
    }
  }

  function dismiss(): void {
    if (job.value !== null && !isBusy.value) set(job.value.raster, null)
  }

  watch(
    () => layer.revision,
    (revision) => {
      // After another change, such as an undo, what was said is no longer what the layer has.
      if (result.value !== null && revision > result.value.revision) dismiss()
    },
  )

  return { job, isBusy, isStarting, result, notes, start, restore, cancel, dismiss }
})
