import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { readVocabulary } from 'src/api/vocabulary'
import { createClass } from 'src/composables/classColor'
import type { LoadState } from 'src/types/load'
import type {
  ClassifyRequest,
  VocabularyClass,
  VocabularyInfo,
  VocabularyPrompt,
} from 'src/types/vocabulary'

import { useNoticesStore } from './notices'
import { readStored, writeStored } from './storage'

const STORAGE_KEY = 'rs.vocabulary'

export type ClassifyScope = 'view' | 'raster'

interface Stored {
  prompt: VocabularyPrompt
  classes: VocabularyClass[]
  preset: string | null
  refine: boolean
  scope: ClassifyScope
  lastKey: number
}

const INITIAL: Stored = {
  prompt: 'examples',
  classes: [],
  preset: null,
  refine: false,
  scope: 'raster',
  lastKey: 0,
}

export function splitWords(text: string): string[] {
  return text
    .split(/[,，、]/)
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

/** The classes to look for, and how: kept in this browser. */
export const useVocabularyStore = defineStore('vocabulary', () => {
  const notices = useNoticesStore()
  const stored = { ...INITIAL, ...readStored<Partial<Stored>>(STORAGE_KEY, {}) }
  const info = shallowRef<VocabularyInfo | null>(null)
  const state = ref<LoadState>('idle')
  const prompt = ref<VocabularyPrompt>(stored.prompt)
  const classes = ref<VocabularyClass[]>(stored.classes)
  const preset = ref<string | null>(stored.preset)
  const refine = ref(stored.refine)
  const scope = ref<ClassifyScope>(stored.scope)
  let { lastKey } = stored
  const canUseWords = computed(() => info.value?.text_available ?? false)

  async function load(): Promise<void> {
    state.value = 'loading'
    try {
      info.value = await readVocabulary()
      state.value = 'ready'
    } catch (error) {
      state.value = 'failed'
      notices.report(error)
    }
  }

  function isFree(name: string): boolean {
    const wanted = name.trim()
    return wanted !== '' && !classes.value.some((item) => item.name === wanted)
  }

  /** Adds a class and returns its key; null where the name is taken or the list is full. */
  function add(name: string, synonyms: string[] = []): number | null {
    // Numbers are the server's matter; here only a free colour is wanted.
    const known = classes.value.map((item, index) => ({ id: index + 1, ...item }))
    const row = isFree(name) ? createClass(name.trim(), known) : null
    if (row === null) return null
    lastKey += 1
    const added = { key: lastKey, name: row.name, synonyms: synonyms.join(', '), color: row.color }
    classes.value = [...classes.value, added]
    return lastKey
  }

  function change(key: number, changes: Partial<Omit<VocabularyClass, 'key'>>): void {
    classes.value = classes.value.map((item) => (item.key === key ? { ...item, ...changes } : item))
  }

  function remove(key: number): void {
    classes.value = classes.value.filter((item) => item.key !== key)
  }

  /** Takes the classes of a data set in place of those that are there. */
  function usePreset(name: string): void {
    const chosen = info.value?.presets.find((item) => item.name === name)
    if (chosen === undefined) return
    classes.value = []
    for (const item of chosen.classes) add(item.name, item.synonyms)
    preset.value = name
  }

  /** What is published for the data set, as long as its background is among the classes. */
  function describeDecision(): Partial<ClassifyRequest> {
    const chosen = info.value?.presets.find((item) => item.name === preset.value)
    const isThere = classes.value.some((item) => item.name === chosen?.background)
    if (chosen === undefined || !isThere || prompt.value !== 'text') return {}
    const { background, background_threshold, global_bias } = chosen
    return { background, background_threshold, global_bias }
  }

  /** The part of a request that this store knows. */
  function describeRun(): Pick<ClassifyRequest, 'prompt' | 'classes' | 'refine'> &
    Partial<ClassifyRequest> {
    return {
      prompt: prompt.value,
      classes: classes.value.map(({ name, synonyms, color }) => ({
        name,
        synonyms: splitWords(synonyms),
        color,
      })),
      refine: refine.value,
      ...describeDecision(),
    }
  }

  watch(
    [prompt, classes, preset, refine, scope],
    () => {
      const choices: Stored = {
        prompt: prompt.value,
        classes: classes.value,
        preset: preset.value,
        refine: refine.value,
        scope: scope.value,
        lastKey,
      }
      writeStored(STORAGE_KEY, choices)
    },
    { deep: true },
  )

  return {
    info,
    state,
    prompt,
    classes,
    preset,
    refine,
    scope,
    canUseWords,
    load,
    isFree,
    add,
    change,
    remove,
    usePreset,
    describeRun,
  }
})
