import type { ObjectClass } from 'src/types/annotation'

/** Told apart on imagery, and from each other with the common kinds of colour blindness. */
const COLORS = ['#56b4e9', '#e69f00', '#00b98a', '#f0e442', '#cc79a7', '#ff7043', '#9f8cff']
export const NO_CLASS_COLOR = '#ffffff'
const MAX_CLASSES = 255

export function classColor(name: string | null, classes: readonly ObjectClass[]): string {
  return classes.find((row) => row.name === name)?.color ?? NO_CLASS_COLOR
}

/** A new row for the table: the smallest free id, and a colour that is not taken while there is one. Null if full. */
export function createClass(name: string, classes: readonly ObjectClass[]): ObjectClass | null {
  const ids = new Set(classes.map((row) => row.id))
  const colors = new Set(classes.map((row) => row.color.toLowerCase()))
  let id = 1
  while (ids.has(id)) id += 1
  if (id > MAX_CLASSES) return null
  const color = COLORS.find((free) => !colors.has(free)) ?? COLORS[(id - 1) % COLORS.length]
  return { id, name, color: color ?? NO_CLASS_COLOR }
}
