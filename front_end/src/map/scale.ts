export interface ScaleBar {
  /** Length of the bar on the screen. */
  widthPx: number
  label: string
}

const TARGET_WIDTH_PX = 110

/** The greatest 1, 2 or 5 times a power of ten that is not above a value. */
export function roundDown(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const factor = [5, 2, 1].find((candidate) => candidate * power <= value * (1 + 1e-9)) ?? 1
  return factor * power
}

function formatLength(length: number, unit: 'm' | 'px'): string {
  if (unit === 'px') return `${length} px`
  if (length >= 1000) return `${length / 1000} km`
  if (length >= 1) return `${length} m`
  return `${Math.round(length * 100)} cm`
}

/** A bar of round length for a ground (or pixel) size of one screen pixel. */
export function createScaleBar(resolution: number, unit: 'm' | 'px'): ScaleBar {
  const shortest = unit === 'px' ? 1 : 0.01
  const length = Math.max(shortest, roundDown(resolution * TARGET_WIDTH_PX))
  return { widthPx: length / resolution, label: formatLength(length, unit) }
}
