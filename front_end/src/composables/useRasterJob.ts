import { computed, ref } from 'vue'

import { useJobsStore } from 'src/stores/jobs'
import { useNoticesStore } from 'src/stores/notices'
import { useRastersStore } from 'src/stores/rasters'
import { isActive } from 'src/types/job'

/** The job of the current raster, whatever it does: begin one, watch it, try it again, cancel it. */
export function useRasterJob() {
  const jobs = useJobsStore()
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const isStarting = ref(false)

  const job = computed(() => (rasters.selected ? jobs.byRaster[rasters.selected] : undefined))
  const isRunning = computed(() => isStarting.value || (job.value ? isActive(job.value) : false))
  const canRetry = computed(
    () => !isStarting.value && (job.value?.state === 'failed' || job.value?.state === 'cancelled'),
  )

  /** Sends a run, which gives the id of its job; from then on the job is followed whatever the page shows. */
  async function begin(send: (raster: string) => Promise<string>): Promise<void> {
    const raster = rasters.selected
    if (raster === null) return
    isStarting.value = true
    notices.dismiss()
    try {
      void jobs.follow(await send(raster), raster)
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

  return { job, isRunning, canRetry, begin, retry, cancel }
}
