/** Told apart on imagery, and from each other with the common kinds of colour blindness. */
const COLORS = ['#56b4e9', '#e69f00', '#00b98a', '#f0e442', '#cc79a7', '#ff7043', '#9f8cff']
const NO_CLASS = '#ffffff'

/** The colour of a class: always the same for the same name, in every raster. */
export function classColor(name: string | null): string {
  if (name === null) return NO_CLASS
  const sum = [...name].reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)!) >>> 0, 7)
  return COLORS[sum % COLORS.length] ?? NO_CLASS
}
