import { onBeforeUnmount, onMounted } from 'vue'

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

/** Keys typed into a field, a menu or a question are for that. */
function isTyping(target: EventTarget | null): boolean {
  const selector = 'input, textarea, select, [contenteditable], [role=dialog], [role=listbox]'
  return target instanceof Element && target.closest(selector) !== null
}

/** A focused control does its own thing on Enter. */
function takesEnter(target: EventTarget | null): boolean {
  return (
    target instanceof Element && target.closest('button, a, [role=button], [role=tab]') !== null
  )
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
    event.preventDefault()
    actions[action]()
  }

  onMounted(() => window.addEventListener('keydown', press))
  onBeforeUnmount(() => window.removeEventListener('keydown', press))
}
