import { useI18n } from 'vue-i18n'

import { useFormat } from 'src/composables/useFormat'

/** Says which options differ from an ordinary run, in a few words each; the same words before and after the run. */
export function useOptionText() {
  const { t } = useI18n()
  const { number } = useFormat()

  /** The resolution is in metres per pixel; null means the raster's own. */
  function describeOptions(fullCover: boolean, resolutionM: number | null): string[] {
    const cover = fullCover ? [t('options.fullCover')] : []
    const resolution =
      resolutionM === null ? [] : [t('options.resolution', { m: number(resolutionM) })]
    return [...cover, ...resolution]
  }

  return { describeOptions }
}
