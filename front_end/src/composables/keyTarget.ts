/** Keys typed into a field, a menu or a question are for that. */
export function isTyping(target: EventTarget | null): boolean {
  const selector =
    'input, textarea, select, [contenteditable], [role=dialog], [role=listbox], [role=menu]'
  return target instanceof Element && target.closest(selector) !== null
}

/** A focused control does its own thing on Enter. */
export function takesEnter(target: EventTarget | null): boolean {
  return (
    target instanceof Element && target.closest('button, a, [role=button], [role=tab]') !== null
  )
}
