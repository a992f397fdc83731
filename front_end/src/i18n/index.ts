import { createI18n } from 'vue-i18n'

import { readStored } from 'src/stores/storage'

import en from './en'
import zhCN from './zh-CN'

export const LANGUAGES = [
  { value: 'en', label: 'English' },
  { value: 'zh-CN', label: '中文' },
] as const

export type Language = (typeof LANGUAGES)[number]['value']

export const LANGUAGE_KEY = 'rs.language'

/** The language chosen earlier, else the browser's. */
export function initialLanguage(): Language {
  const stored = readStored<string | null>(LANGUAGE_KEY, null)
  const wanted = stored ?? navigator.language
  return wanted.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en'
}

export const i18n = createI18n({
  legacy: false,
  locale: initialLanguage(),
  fallbackLocale: 'en',
  messages: { en, 'zh-CN': zhCN },
})
