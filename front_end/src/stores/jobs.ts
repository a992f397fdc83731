import { defineStore } from 'pinia'
import { ref } from 'vue'

import { cancelJob, listJobs, retryJob } from 'src/api/jobs'
import { followJob } from 'src/composables/followJob'
import { isActive, isSegmentation, type Job } from 'src/types/job'

import { useNoticesStore } from './notices'
import { useRastersStore } from './rasters'

/** The latest segmentation of each raster, followed until it ends. */
export const useJobsStore = defineStore('jobs', () => {
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const byRaster = ref<Record<string, Job>>({})
  const followed = new Set<string>()

  /** A job that has been accepted and not yet been asked about. */
  function createPlaceholder(id: string, raster: string): Job {
    return {
      job: id,
      kind: 'segment',
      raster,
      state: 'queued',
      progress: 0,
      step: null,
      created: new Date().toISOString(),
      started: null,
      finished: null,
      eta_s: null,
      error: null,
      result: null,
    }
  }

  function finish(job: Job): Promise<void> {
    if (job.state === 'failed' && job.error !== null) {
      notices.show(job.error.message, job.error.error, job.error.field)
    }
    return job.state === 'done' ? rasters.refresh() : Promise.resolve()
  }

  /** Follows a job of a raster to its end; a job already followed is left alone. */
  async function follow(id: string, raster: string): Promise<void> {
    if (followed.has(id)) return
    followed.add(id)
    if (byRaster.value[raster]?.job !== id) byRaster.value[raster] = createPlaceholder(id, raster)
    try {
      const job = await followJob(id, {
        onUpdate: (update) => {
          // The list must know the result before the page says "done".
          if (update.state !== 'done') byRaster.value[raster] = update
        },
        onTrouble: notices.report,
      })
      await finish(job)
      byRaster.value[raster] = job
    } catch (error) {
      delete byRaster.value[raster]
      notices.report(error)
    } finally {
      followed.delete(id)
    }
  }

  /** Finds the jobs that were running when the page was last left. */
  async function restore(): Promise<void> {
    try {
      for (const job of (await listJobs()).filter(isSegmentation).filter(isActive)) {
        byRaster.value[job.raster] = job
        void follow(job.job, job.raster)
      }
    } catch (error) {
      notices.report(error)
    }
  }

  /** Lets the job of a raster run again that failed or was cancelled, and follows it. */
  async function retry(raster: string): Promise<void> {
    const job = byRaster.value[raster]
    if (job === undefined) return
    try {
      byRaster.value[raster] = await retryJob(job.job)
      void follow(job.job, raster)
    } catch (error) {
      notices.report(error)
    }
  }

  async function cancel(raster: string): Promise<void> {
    const job = byRaster.value[raster]
    if (job === undefined) return
    try {
      await cancelJob(job.job)
    } catch (error) {
      notices.report(error)
    }
  }

  return { byRaster, follow, restore, retry, cancel }
})
