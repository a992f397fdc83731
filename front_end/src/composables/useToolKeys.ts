import { onBeforeUnmount, onMounted } from 'vue'

import { isTyping, takesEnter } from 'src/composables/keyTarget'
import { useMeasuringStore } from 'src/stores/measuring'
import { usePanelStore } from 'src/stores/panel'
import { usePreviewStore } from 'src/stores/preview'
import { usePromptsStore } from 'src/stores/prompts'
import { useRastersStore } from 'src/stores/rasters'
import { useSeriesStore } from 'src/stores/series'

export type ToolKey =
  'finish' | 'giveUp' | 'removeCorner' | 'line' | 'polygon' | 'preview' | 'distance' | 'area'

/** What keys do to a shape that is being drawn. */
export interface DrawActions {
  finish: () => void
  removeCorner: () => void
  giveUp: () => void
}

const KEYS: Record<string, ToolKey> = {
  enter: 'finish',
  escape: 'giveUp',
  backspace: 'removeCorner',
  delete: 'removeCorner',
  l: 'line',
  g: 'polygon',
  p: 'preview',
  d: 'distance',
  a: 'area',
}
const DRAWING: ToolKey[] = ['finish', 'giveUp', 'removeCorner']
const MEASURING: ToolKey[] = ['distance', 'area']

/** What a key means for prompts in numbers, the preview and measuring; null where it means nothing. */
export function readToolKey(event: KeyboardEvent): ToolKey | null {
  const { altKey, ctrlKey, metaKey } = event
  return altKey || ctrlKey || metaKey ? null : (KEYS[event.key.toLowerCase()] ?? null)
}

/** Listens for the keys of these tools. */
export function useToolKeys(drawn: { series: DrawActions; measure: DrawActions }): void {
  const measuring = useMeasuringStore()
  const panel = usePanelStore()
  const preview = usePreviewStore()
  const prompts = usePromptsStore()
  const rasters = useRastersStore()
  const series = useSeriesStore()

  function findDrawn(): DrawActions | null {
    if (measuring.kind !== null) return drawn.measure
    return series.kind === null ? null : drawn.series
  }

  const actions: Record<ToolKey, () => void> = {
    finish: () => findDrawn()?.finish(),
    giveUp: () => findDrawn()?.giveUp(),
    removeCorner: () => findDrawn()?.removeCorner(),
    line: () => series.toggle('line'),
    polygon: () => series.toggle('polygon'),
    preview: () => preview.toggle(),
    distance: () => measuring.toggle('distance'),
    area: () => measuring.toggle('area'),
  }

  /** Whether a key is for these tools now, and not for what else is going on. */
  function isMeant(action: ToolKey): boolean {
    if (rasters.meta === null) return false
    if (DRAWING.includes(action)) return findDrawn() !== null
    if (MEASURING.includes(action)) return true
    if (action === 'preview') return prompts.isActive
    return prompts.isActive || series.kind !== null || panel.tab === 'objects'
  }

  function press(event: KeyboardEvent): void {
    const action = readToolKey(event)
    if (action === null || isTyping(event.target) || !isMeant(action)) return
    if (action === 'finish' && takesEnter(event.target)) return
    event.preventDefault()
    if (!event.repeat) actions[action]()
  }

  onMounted(() => window.addEventListener('keydown', press))
  onBeforeUnmount(() => window.removeEventListener('keydown', press))
}
