import { computed } from 'vue'

import { startSegmentation } from 'src/api/segmentation'
import { useRasterJob } from 'src/composables/useRasterJob'
import { useRastersStore } from 'src/stores/rasters'
import { useSegmentationStore } from 'src/stores/segmentation'
import { useViewStore } from 'src/stores/view'
import type { SegmentRequest } from 'src/types/segmentation'

/** The job of the current raster: start it with the choices made on the page, watch it, cancel it. */
export function useJob() {
  const rasters = useRastersStore()
  const segmentation = useSegmentationStore()
  const view = useViewStore()
  const { job, isRunning, canRetry, begin, retry, cancel } = useRasterJob()

  const canStart = computed(
    () => rasters.state === 'ready' && segmentation.checkpoint !== null && !isRunning.value,
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

  async function start(): Promise<void> {
    if (canStart.value) await begin((raster) => startSegmentation(buildRequest(raster)))
  }

  return { job, isRunning, canStart, canRetry, start, retry, cancel }
}
