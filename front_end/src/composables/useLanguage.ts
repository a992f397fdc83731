import { useQuasar } from 'quasar'
import quasarEn from 'quasar/lang/en-US'
import quasarZhCN from 'quasar/lang/zh-CN'
import { watch } from 'vue'
import { useI18n } from 'vue-i18n'

import { LANGUAGE_KEY, type Language } from 'src/i18n'
import { writeStored } from 'src/stores/storage'

/** Keeps the document, Quasar's own texts and the memory in step with the chosen language. */
export function useLanguage(): void {
  const { locale, t } = useI18n()
  const quasar = useQuasar()
  watch(
    locale,
    (value, previous) => {
      quasar.lang.set(value === 'zh-CN' ? quasarZhCN : quasarEn)
      document.documentElement.lang = value as Language
      document.title = t('product')
      if (previous !== undefined) writeStored(LANGUAGE_KEY, value)
    },
    { immediate: true },
  )
}
