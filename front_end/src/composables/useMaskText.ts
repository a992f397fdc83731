import { useI18n } from 'vue-i18n'

import { useFormat } from 'src/composables/useFormat'

interface MaskFacts {
  area_px: number
  /** null where the raster has no place on Earth. */
  area_m2: number | null
  /** null where no network drew it. */
  predicted_iou: number | null
}

/** Says how large an outlined object is and how good the network thinks its outline is. */
export function useMaskText() {
  const { t } = useI18n()
  const { integer, number } = useFormat()

  function describeMask(mask: MaskFacts): string {
    const metres = mask.area_m2 === null ? [] : [`${number(mask.area_m2, 4)} m²`]
    const pixels = t('prompts.pixels', { area: integer(mask.area_px) })
    const { predicted_iou } = mask
    const rating =
      predicted_iou === null ? [] : [t('prompts.iou', { iou: number(predicted_iou, 2) })]
    return [...metres, pixels, ...rating].join(' · ')
  }

  return { describeMask }
}
