import { onBeforeUnmount, onMounted, watch, watchEffect, type ShallowRef } from 'vue'
import { useI18n } from 'vue-i18n'

import { isTyping } from 'src/composables/keyTarget'
import type { RasterMap } from 'src/map/rasterMap'
import { useExamplesStore } from 'src/stores/examples'
import { useNoticesStore } from 'src/stores/notices'
import { useSelectionStore } from 'src/stores/selection'

/** Keeps the examples of classes in step with the map: clicked there, and shown in their colours. */
export function useExampleMap(rasterMap: Readonly<ShallowRef<RasterMap | null>>): void {
  const { t } = useI18n()
  const examples = useExamplesStore()
  const notices = useNoticesStore()
  const selection = useSelectionStore()

  watch([rasterMap, () => examples.isActive], ([map, isActive]) => {
    if (isActive) selection.clear()
    const onOutside = (): void => notices.show(t('prompts.outside'), 'outside', 'points')
    map?.examples.listen(isActive ? { onPoint: examples.addPoint, onOutside } : null)
  })
  watchEffect(() => rasterMap.value?.examples.show(examples.points))

  /** Escape ends the clicks, Ctrl+Z takes back the last one. */
  function press(event: KeyboardEvent): void {
    if (!examples.isActive || isTyping(event.target)) return
    const isUndo = event.key.toLowerCase() === 'z' && (event.ctrlKey || event.metaKey)
    if (event.key === 'Escape') examples.activeKey = null
    else if (isUndo) examples.undo()
    else return
    event.preventDefault()
  }

  onMounted(() => window.addEventListener('keydown', press))
  onBeforeUnmount(() => window.removeEventListener('keydown', press))
}
