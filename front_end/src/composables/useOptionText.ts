import { useI18n } from 'vue-i18n'

import { useFormat } from 'src/composables/useFormat'

export interface RunOptions {
  /** The one class that is looked for; null means all objects. */
  className: string | null
  fullCover: boolean
  /** In metres per pixel; null means the raster's own. */
  resolutionM: number | null
}

/** Says which options differ from an ordinary run, in a few words each; the same words before and after the run. */
export function useOptionText() {
  const { t } = useI18n()
  const { number } = useFormat()

  function describeOptions({ className, fullCover, resolutionM }: RunOptions): string[] {
    const only = className === null ? [] : [t('options.class', { class: className })]
    const cover = fullCover ? [t('options.fullCover')] : []
    const resolution =
      resolutionM === null ? [] : [t('options.resolution', { m: number(resolutionM) })]
    return [...only, ...cover, ...resolution]
  }

  return { describeOptions }
}
