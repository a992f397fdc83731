import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { createSample, uploadRaster, uploadSideFiles } from 'src/api/upload'
import { sortDroppedFiles } from 'src/composables/droppedFiles'

import { useNoticesStore } from './notices'
import { useRastersStore } from './rasters'

/** The upload in progress: one at a time, side files before rasters. */
export const useUploadsStore = defineStore('uploads', () => {
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const state = ref<'idle' | 'sending' | 'reading' | 'sample'>('idle')
  const fileName = ref('')
  /** Whether files are held over the page. */
  const isDragging = ref(false)
  const sentBytes = ref(0)
  const totalBytes = ref(0)
  const progress = computed(() =>
    totalBytes.value > 0 ? Math.min(1, sentBytes.value / totalBytes.value) : 0,
  )
  let controller = new AbortController()

  /** Sends one request; its bytes add to those of the requests before it. */
  async function send<T>(
    files: File[],
    request: (options: Parameters<typeof uploadRaster>[1]) => Promise<T>,
  ): Promise<T> {
    const before = sentBytes.value
    const size = files.reduce((sum, file) => sum + file.size, 0)
    fileName.value = files.map((file) => file.name).join(', ')
    state.value = 'sending'
    const reply = await request({
      signal: controller.signal,
      onProgress: (bytes) => {
        sentBytes.value = before + Math.min(bytes, size)
        if (bytes >= size) state.value = 'reading'
      },
    })
    sentBytes.value = before + size
    return reply
  }

  /** Returns the raster to show next: the last one sent, else the one that the side files belong to. */
  async function sendAll(sideFiles: File[], rasterFiles: File[]): Promise<string | null> {
    let raster: string | null = null
    if (sideFiles.length > 0) {
      raster = (await send(sideFiles, (options) => uploadSideFiles(sideFiles, options))).raster
    }
    for (const file of rasterFiles) {
      raster = (await send([file], (options) => uploadRaster(file, options))).raster
    }
    return raster
  }

  async function show(raster: string | null): Promise<void> {
    await rasters.refresh()
    if (raster !== null) await rasters.select(raster)
  }

  /** Uploads what was dropped or picked, then shows it. */
  async function upload(files: Iterable<File>): Promise<void> {
    const { sideFiles, rasters: rasterFiles } = sortDroppedFiles(files)
    const all = [...sideFiles, ...rasterFiles]
    if (all.length === 0 || state.value !== 'idle') return
    controller = new AbortController()
    sentBytes.value = 0
    totalBytes.value = all.reduce((sum, file) => sum + file.size, 0)
    notices.dismiss()
    try {
      await show(await sendAll(sideFiles, rasterFiles))
    } catch (error) {
      notices.report(error)
      // What was sent before the failure has arrived and belongs in the list.
      await rasters.refresh()
    } finally {
      state.value = 'idle'
    }
  }

  function cancel(): void {
    controller.abort()
  }

  async function addSample(): Promise<void> {
    if (state.value !== 'idle') return
    state.value = 'sample'
    notices.dismiss()
    try {
      await show((await createSample()).raster)
    } catch (error) {
      notices.report(error)
    } finally {
      state.value = 'idle'
    }
  }

  return { state, fileName, isDragging, progress, upload, cancel, addSample }
})
