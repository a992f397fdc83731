import { onBeforeUnmount, onMounted } from 'vue'

import { useDatasetReviewStore } from 'src/stores/datasetReview'

export type ReviewAction = 'accept' | 'reject' | 'undo' | 'back' | 'forward' | 'outline' | 'close'

const KEYS: Record<string, ReviewAction> = {
  a: 'accept',
  r: 'reject',
  u: 'undo',
  arrowleft: 'back',
  arrowright: 'forward',
  o: 'outline',
  escape: 'close',
}

/** What a key means in the review; null where it means nothing, or belongs to a field. */
export function readReviewKey(event: KeyboardEvent): ReviewAction | null {
  if (event.ctrlKey || event.metaKey || event.altKey) return null
  const fields = 'input, textarea, [role=combobox], [role=listbox]'
  const field = event.target instanceof Element ? event.target.closest(fields) : null
  return field !== null ? null : (KEYS[event.key.toLowerCase()] ?? null)
}

/** Listens for the keys of the review before the map behind it does. */
export function useReviewKeys(): Record<ReviewAction, () => void> {
  const review = useDatasetReviewStore()
  const actions: Record<ReviewAction, () => void> = {
    accept: () => review.decide('accepted'),
    reject: () => review.decide('rejected'),
    undo: () => void review.undo(),
    back: () => review.move(-1),
    forward: () => review.move(1),
    outline: () => (review.hasOutline = !review.hasOutline),
    close: review.close,
  }

  function press(event: KeyboardEvent): void {
    const action = readReviewKey(event)
    if (action === null) return
    event.preventDefault()
    event.stopImmediatePropagation()
    actions[action]()
  }

  onMounted(() => window.addEventListener('keydown', press, true))
  onBeforeUnmount(() => window.removeEventListener('keydown', press, true))
  return actions
}
