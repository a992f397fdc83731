import { onBeforeUnmount, onMounted } from 'vue'

import { isTyping, takesEnter } from 'src/composables/keyTarget'
import { usePromptActions } from 'src/composables/usePrompts'
import { usePromptsStore } from 'src/stores/prompts'

export type PromptAction =
  'accept' | 'clear' | 'undo' | 'redo' | 'next' | 'box' | 'inside' | 'outside'

const PLAIN_KEYS: Record<string, PromptAction> = {
  enter: 'accept',
  escape: 'clear',
  n: 'next',
  b: 'box',
  i: 'inside',
  o: 'outside',
}

/** What a key means in the prompt mode; null where it means nothing. */
export function readKey(event: KeyboardEvent): PromptAction | null {
  const key = event.key.toLowerCase()
  if (event.altKey) return null
  if (!event.ctrlKey && !event.metaKey) return PLAIN_KEYS[key] ?? null
  if (key === 'z') return event.shiftKey ? 'redo' : 'undo'
  return key === 'y' ? 'redo' : null
}

/** Listens for the keys of the prompt mode. Points by key are set in the middle of the map. */
export function usePromptKeys(addPointAtCentre: (isInside: boolean) => void): void {
  const prompts = usePromptsStore()
  const { accept } = usePromptActions()

  const actions: Record<PromptAction, () => void> = {
    accept,
    clear: () => (prompts.isEmpty ? (prompts.boxTool = false) : prompts.clear()),
    undo: prompts.undo,
    redo: prompts.redo,
    next: prompts.chooseNext,
    box: () => (prompts.boxTool = !prompts.boxTool),
    inside: () => addPointAtCentre(true),
    outside: () => addPointAtCentre(false),
  }

  function press(event: KeyboardEvent): void {
    const action = readKey(event)
    if (!prompts.isActive || action === null || isTyping(event.target)) return
    if (action === 'accept' && takesEnter(event.target)) return
    // Between two objects these keys are for the layer.
    if ((action === 'undo' || action === 'redo') && !prompts.isInProgress) return
    event.preventDefault()
    actions[action]()
  }

  onMounted(() => window.addEventListener('keydown', press))
  onBeforeUnmount(() => window.removeEventListener('keydown', press))
}
