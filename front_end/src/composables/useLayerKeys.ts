import { onBeforeUnmount, onMounted } from 'vue'

import { isTyping, takesEnter } from 'src/composables/keyTarget'
import type { ShapeActions } from 'src/composables/useAnnotationMap'
import { useClassTableStore } from 'src/stores/classTable'
import { useEditingStore } from 'src/stores/editing'
import { useLayerStore } from 'src/stores/layer'
import { useMeasuringStore } from 'src/stores/measuring'
import { usePanelStore } from 'src/stores/panel'
import { usePromptsStore } from 'src/stores/prompts'
import { useSeriesStore } from 'src/stores/series'
import { useSimilarStore } from 'src/stores/similar'

export type LayerKey =
  | 'undo'
  | 'redo'
  | 'class'
  | 'finish'
  | 'giveUp'
  | 'remove'
  | 'select'
  | 'edit'
  | 'split'
  | 'merge'
  | 'similar'

const PLAIN_KEYS: Record<string, LayerKey> = {
  enter: 'finish',
  escape: 'giveUp',
  delete: 'remove',
  backspace: 'remove',
  v: 'select',
  e: 'edit',
  x: 'split',
  m: 'merge',
  f: 'similar',
}

/** What a key means for the accepted objects; null where it means nothing. */
export function readLayerKey(event: KeyboardEvent): LayerKey | null {
  const key = event.key.toLowerCase()
  if (event.altKey) return null
  if (!event.ctrlKey && !event.metaKey)
    return /^\d$/.test(key) ? 'class' : (PLAIN_KEYS[key] ?? null)
  if (key === 'z') return event.shiftKey ? 'redo' : 'undo'
  return key === 'y' ? 'redo' : null
}

/** These keys belong to the prompts while objects are outlined, and to what is drawn for prompts or to measure. */
const PROMPT_KEYS: LayerKey[] = ['finish', 'giveUp', 'remove', 'edit', 'split', 'merge', 'similar']
/** The others would change or replace the examples while what is like them is looked through. */
const SIMILAR_KEYS: LayerKey[] = ['giveUp', 'undo', 'redo', 'select']

/** Listens for the keys of the annotation layer. */
export function useLayerKeys(shape: ShapeActions): void {
  const classTable = useClassTableStore()
  const editing = useEditingStore()
  const layer = useLayerStore()
  const panel = usePanelStore()
  const prompts = usePromptsStore()
  const measuring = useMeasuringStore()
  const series = useSeriesStore()
  const similar = useSimilarStore()

  function isShaping(): boolean {
    return editing.tool !== null && editing.tool !== 'select'
  }

  function chooseClass(digit: number): void {
    const row = classTable.rows[digit - 1]
    if (digit === 0) void editing.chooseClass(null)
    else if (row !== undefined) void editing.chooseClass(row.name)
  }

  function giveUp(): void {
    if (similar.isOpen) similar.close()
    else if (isShaping()) shape.giveUp()
    else if (editing.count > 0) editing.select([])
    else editing.use(null)
  }

  const actions: Record<LayerKey, (event: KeyboardEvent) => void> = {
    undo: () => {
      if (isShaping()) shape.undoStep()
      else if (layer.undoTitle !== null) void layer.undo()
    },
    redo: () => !isShaping() && layer.redoTitle !== null && void layer.redo(),
    class: (event) => chooseClass(Number(event.key)),
    finish: () => isShaping() && shape.finish(),
    giveUp,
    remove: () => (isShaping() ? shape.removeCorner() : void editing.remove()),
    select: () => editing.use(editing.tool === 'select' ? null : 'select'),
    edit: () => editing.use('edit'),
    split: () => editing.use('split'),
    merge: () => editing.count > 1 && void editing.reshape('merge'),
    similar: () => !isShaping() && void similar.open(),
  }

  /** Whether a key is for the layer now, and not for what else is going on. */
  function isMeant(action: LayerKey): boolean {
    if (similar.isOpen) return SIMILAR_KEYS.includes(action)
    if (measuring.kind !== null || series.kind !== null) return !PROMPT_KEYS.includes(action)
    if (!prompts.isActive) return editing.tool !== null || panel.tab === 'objects'
    if (action === 'undo' || action === 'redo') return !prompts.isInProgress
    return !PROMPT_KEYS.includes(action)
  }

  function press(event: KeyboardEvent): void {
    const action = readLayerKey(event)
    if (action === null || isTyping(event.target) || !isMeant(action)) return
    if (action === 'finish' && (!isShaping() || takesEnter(event.target))) return
    event.preventDefault()
    // A key held down must not heap up requests.
    if (event.repeat && layer.pending > 0) return
    actions[action](event)
  }

  onMounted(() => window.addEventListener('keydown', press))
  onBeforeUnmount(() => window.removeEventListener('keydown', press))
}
