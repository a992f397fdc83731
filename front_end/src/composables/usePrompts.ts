import { watch, watchEffect, type ShallowRef } from 'vue'
import { useI18n } from 'vue-i18n'

import type { RasterMap } from 'src/map/rasterMap'
import { useAnnotationsStore } from 'src/stores/annotations'
import { useNoticesStore } from 'src/stores/notices'
import { usePromptsStore } from 'src/stores/prompts'
import { useSegmentationStore } from 'src/stores/segmentation'
import { useSelectionStore } from 'src/stores/selection'

/** What the buttons and keys of the prompt mode do. */
export function usePromptActions() {
  const annotations = useAnnotationsStore()
  const prompts = usePromptsStore()
  const segmentation = useSegmentationStore()

  function accept(): void {
    const mask = prompts.take()
    if (mask !== null) void annotations.accept(mask, segmentation.checkpoint)
  }

  function toggleMode(): void {
    prompts.isActive = !prompts.isActive
  }

  return { accept, toggleMode }
}

/** Keeps the map in step with the prompts: what is clicked goes to the store, what is known is drawn. */
export function usePromptMap(rasterMap: Readonly<ShallowRef<RasterMap | null>>): void {
  const { t } = useI18n()
  const notices = useNoticesStore()
  const prompts = usePromptsStore()
  const selection = useSelectionStore()

  watch([rasterMap, () => prompts.isActive], ([map, isActive]) => {
    if (isActive) selection.clear()
    else prompts.clear()
    map?.prompts.listen(
      isActive
        ? {
            onPoint: prompts.addPoint,
            onBox: prompts.setBox,
            onOutside: () => notices.show(t('prompts.outside'), 'outside', 'points'),
          }
        : null,
    )
  })
  watchEffect(() => rasterMap.value?.prompts.setBoxTool(prompts.boxTool))
  watchEffect(() => rasterMap.value?.prompts.showPrompts(prompts.prompts))
  watchEffect(() => rasterMap.value?.prompts.showCandidate(prompts.mask?.feature.geometry ?? null))
}
