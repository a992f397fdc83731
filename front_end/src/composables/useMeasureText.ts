import { useI18n } from 'vue-i18n'

import { useFormat } from 'src/composables/useFormat'
import type { Measure } from 'src/types/measure'

const DIGITS = 4
const KM = 1000
const HECTARE_M2 = 10_000
const KM2 = 1_000_000

/** Writes lengths and areas in the unit that suits their size. */
export function useMeasureText() {
  const { t } = useI18n()
  const { number } = useFormat()

  function describeLength({ length, unit }: Measure): string {
    if (unit === 'px') return t('prompts.pixels', { area: number(length, DIGITS) })
    if (length >= KM) return `${number(length / KM, DIGITS)} km`
    return `${number(length, DIGITS)} m`
  }

  function describeArea(area: number, unit: Measure['unit']): string {
    if (unit === 'px') return t('measure.pixels', { area: number(area, DIGITS) })
    if (area >= KM2) return `${number(area / KM2, DIGITS)} km²`
    if (area >= HECTARE_M2) return `${number(area / HECTARE_M2, DIGITS)} ha`
    return `${number(area, DIGITS)} m²`
  }

  /** What was asked for: the area, or of a line its length. */
  function describeMain(measured: Measure): string {
    const { area, unit } = measured
    return area === null ? describeLength(measured) : describeArea(area, unit)
  }

  /** All that was measured. */
  function describe(measured: Measure): string {
    const main = describeMain(measured)
    if (measured.area === null) return main
    return t('measure.both', { area: main, length: describeLength(measured) })
  }

  return { describeMain, describe }
}
