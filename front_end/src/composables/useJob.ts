import { computed, ref } from 'vue'

import { startSegmentation } from 'src/api/segmentation'
import { useJobsStore } from 'src/stores/jobs'
import { useNoticesStore } from 'src/stores/notices'
import { useRastersStore } from 'src/stores/rasters'
import { useSegmentationStore } from 'src/stores/segmentation'
import { useViewStore } from 'src/stores/view'
import { isActive } from 'src/types/job'
import type { SegmentRequest } from 'src/types/segmentation'

/** The job of the current raster: start it with the choices made on the page, watch it, cancel it. */
export function useJob() {
  const jobs = useJobsStore()
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const segmentation = useSegmentationStore()
  const view = useViewStore()
  const isStarting = ref(false)

  const job = computed(() => (rasters.selected ? jobs.byRaster[rasters.selected] : undefined))
  const isRunning = computed(() => isStarting.value || (job.value ? isActive(job.value) : false))
  const canStart = computed(
    () => rasters.state === 'ready' && segmentation.checkpoint !== null && !isRunning.value,
  )

  const canRetry = computed(
    () => !isStarting.value && (job.value?.state === 'failed' || job.value?.state === 'cancelled'),
  )

  function buildRequest(raster: string): SegmentRequest {
    const { window, area, resolutionM } = view.settings
    return {
      raster,
      rgb_index: view.rgbIndex,
      window: window && [window.col, window.row, window.width, window.height],
      area: area ?? undefined,
      resolution_m: resolutionM ?? undefined,
      ...segmentation.describeRun(),
    }
  }

  /** Sends the run; from then on the job is followed whatever the page shows. */
  async function start(): Promise<void> {
    const raster = rasters.selected
    if (raster === null || !canStart.value) return
    isStarting.value = true
    notices.dismiss()
    try {
      void jobs.follow(await startSegmentation(buildRequest(raster)), raster)
    } catch (error) {
      notices.report(error)
    } finally {
      isStarting.value = false
    }
  }

  /** Runs the failed or cancelled job again, as it was asked for then. */
  async function retry(): Promise<void> {
    if (rasters.selected === null || !canRetry.value) return
    isStarting.value = true
    notices.dismiss()
    await jobs.retry(rasters.selected)
    isStarting.value = false
  }

  function cancel(): void {
    if (rasters.selected !== null) void jobs.cancel(rasters.selected)
  }

  return { job, isRunning, canStart, canRetry, start, retry, cancel }
}
