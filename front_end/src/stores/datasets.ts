import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'

import { createDataset, deleteDataset, listDatasets } from 'src/api/datasets'
import { cancelJob } from 'src/api/jobs'
import { pollJob } from 'src/composables/pollJob'
import type { Dataset, DatasetRequest } from 'src/types/dataset'
import { isActive, type Job } from 'src/types/job'
import type { LoadState } from 'src/types/load'

import { useNoticesStore } from './notices'

/** The datasets of this client: sent, followed while they are built, deleted. */
export const useDatasetsStore = defineStore('datasets', () => {
  const notices = useNoticesStore()
  const isOpen = ref(false)
  const state = ref<LoadState>('idle')
  const list = shallowRef<readonly Dataset[]>([])
  const sending = ref<{ name: string; sentBytes: number; totalBytes: number } | null>(null)
  const progress = computed(() => {
    if (sending.value === null || sending.value.totalBytes === 0) return 0
    return Math.min(1, sending.value.sentBytes / sending.value.totalBytes)
  })
  const followed = new Set<string>()
  let controller = new AbortController()

  function noteJob(id: string, job: Job): void {
    list.value = list.value.map((item) =>
      item.id === id ? { ...item, job, state: item.summary === null ? job.state : 'done' } : item,
    )
  }

  /** Follows the job of a dataset to its end, then reads what came of it. */
  async function follow(id: string, job: Job): Promise<void> {
    if (followed.has(job.job)) return
    followed.add(job.job)
    try {
      await pollJob(job.job, {
        // The list must have the counts before the page says "done".
        onUpdate: (update) => update.state !== 'done' && noteJob(id, update),
        onTrouble: notices.report,
      })
      await refresh()
    } catch (error) {
      // A dataset that was deleted meanwhile has no job any more.
      if (list.value.some((item) => item.id === id)) notices.report(error)
    } finally {
      followed.delete(job.job)
    }
  }

  async function refresh(): Promise<void> {
    if (state.value !== 'ready') state.value = 'loading'
    try {
      list.value = await listDatasets()
      state.value = 'ready'
    } catch (error) {
      if (state.value !== 'ready') state.value = 'failed'
      notices.report(error)
    }
    for (const { id, job } of list.value) {
      if (job !== null && isActive(job)) void follow(id, job)
    }
  }

  async function open(): Promise<void> {
    isOpen.value = true
    await refresh()
  }

  /** Sends an archive and tells whether the server has taken it. */
  async function send(file: File, request: DatasetRequest): Promise<boolean> {
    if (sending.value !== null) return false
    controller = new AbortController()
    sending.value = { name: file.name, sentBytes: 0, totalBytes: file.size }
    notices.dismiss()
    try {
      await createDataset(file, request, {
        signal: controller.signal,
        onProgress: (sentBytes) => (sending.value = { ...sending.value!, sentBytes }),
      })
      await refresh()
      return true
    } catch (error) {
      notices.report(error)
      return false
    } finally {
      sending.value = null
    }
  }

  function cancelSending(): void {
    controller.abort()
  }

  async function cancelBuilding(dataset: Dataset): Promise<void> {
    try {
      if (dataset.job !== null) await cancelJob(dataset.job.job)
    } catch (error) {
      notices.report(error)
    }
  }

  async function remove(id: string): Promise<void> {
    try {
      await deleteDataset(id)
      list.value = list.value.filter((item) => item.id !== id)
    } catch (error) {
      notices.report(error)
    }
  }

  return {
    isOpen,
    state,
    list,
    sending,
    progress,
    refresh,
    open,
    send,
    cancelSending,
    cancelBuilding,
    remove,
  }
})
