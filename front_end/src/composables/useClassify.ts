import { computed } from 'vue'

import { startClassification } from 'src/api/vocabulary'
import { useRasterJob } from 'src/composables/useRasterJob'
import { useExamplesStore } from 'src/stores/examples'
import { usePromptsStore } from 'src/stores/prompts'
import { useRastersStore } from 'src/stores/rasters'
import { useSegmentationStore } from 'src/stores/segmentation'
import { useViewStore } from 'src/stores/view'
import { useVocabularyStore } from 'src/stores/vocabulary'
import type { ClassifyRequest } from 'src/types/vocabulary'

/** The classification of the current raster: start it with the choices made on the page, watch it, cancel it. */
export function useClassify() {
  const examples = useExamplesStore()
  const prompts = usePromptsStore()
  const rasters = useRastersStore()
  const segmentation = useSegmentationStore()
  const view = useViewStore()
  const vocabulary = useVocabularyStore()
  const { job, isRunning, begin, cancel } = useRasterJob()

  /** Why nothing can be classified; null where it can. */
  const obstacle = computed(() => {
    if (vocabulary.classes.length === 0) return 'noClasses'
    if (vocabulary.prompt === 'text') return vocabulary.canUseWords ? null : 'noWords'
    return examples.missing.length > 0 ? 'noExamples' : null
  })
  const canSeeView = computed(() => view.visible !== null)
  const canStart = computed(
    () => rasters.state === 'ready' && obstacle.value === null && !isRunning.value,
  )

  function buildRequest(raster: string): ClassifyRequest {
    const { window: chosen, area, resolutionM } = view.settings
    const window = vocabulary.scope === 'view' && view.visible ? view.visible : chosen
    const isByExample = vocabulary.prompt === 'examples'
    return {
      raster,
      space: prompts.space,
      rgb_index: view.rgbIndex,
      checkpoint: segmentation.checkpoint ?? undefined,
      window: window && [window.col, window.row, window.width, window.height],
      area: area ?? undefined,
      resolution_m: resolutionM ?? undefined,
      examples: isByExample ? examples.describeExamples() : undefined,
      ...vocabulary.describeRun(),
    }
  }

  async function start(): Promise<void> {
    if (canStart.value) await begin((raster) => startClassification(buildRequest(raster)))
  }

  return { job, isRunning, obstacle, canSeeView, canStart, start, cancel }
}
