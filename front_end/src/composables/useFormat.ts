import { useI18n } from 'vue-i18n'

/** A centimetre in projected metres, a tenth of a millimetre in degrees. */
const POSITION_DIGITS = 10
const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** "1 m 5 s", "42 s", "2 h 3 min" - the same units in every language. */
export function formatDuration(seconds: number): string {
  const total = Math.max(0, Math.ceil(seconds))
  if (total < 60) return `${total} s`
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`
  return `${Math.floor(total / 3600)} h ${Math.floor((total % 3600) / 60)} min`
}

export function formatBytes(bytes: number): string {
  const power = bytes > 0 ? Math.min(4, Math.floor(Math.log10(bytes) / 3)) : 0
  const value = bytes / 1000 ** power
  return `${value.toFixed(power === 0 || value >= 100 ? 0 : 1)} ${BYTE_UNITS[power]}`
}

/** Numbers as the chosen language writes them. */
export function useFormat() {
  const { locale } = useI18n()

  /** At most so many significant digits; a missing value is a dash. */
  function number(value: number | string | null | undefined, digits = 6): string {
    if (value === null || value === undefined) return '–'
    if (typeof value === 'string') return value
    if (!Number.isFinite(value)) return String(value)
    const isTiny = value !== 0 && Math.abs(value) < 1e-4
    if (isTiny || Math.abs(value) >= 1e10) return value.toPrecision(digits)
    return new Intl.NumberFormat(locale.value, { maximumSignificantDigits: digits }).format(value)
  }

  /** Counts and pixel positions: never rounded. */
  function integer(value: number): string {
    return new Intl.NumberFormat(locale.value, { maximumFractionDigits: 0 }).format(value)
  }

  /** Positions stand in lists, where grouped digits would read as more positions. */
  function position(value: number): string {
    const style = { maximumSignificantDigits: POSITION_DIGITS, useGrouping: false }
    return new Intl.NumberFormat(locale.value, style).format(value)
  }

  return { number, integer, position }
}
