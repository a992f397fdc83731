import { defineStore } from 'pinia'
import { shallowRef } from 'vue'

import { startImportedPrompts } from 'src/api/prompts'
import type { PromptShape } from 'src/types/series'

import { useAnnotationsStore } from './annotations'
import { usePromptJobsStore } from './promptJobs'

/** What the outlines of a file are taken for: objects, or prompts made of them. */
export type ImportKind = 'objects' | PromptShape

/** A file with outlines, from when it is chosen until the user has said what it is for. */
export const useImportsStore = defineStore('imports', () => {
  const annotations = useAnnotationsStore()
  const promptJobs = usePromptJobsStore()
  const file = shallowRef<File | null>(null)

  function choose(chosen: File): void {
    file.value = chosen
  }

  function giveUp(): void {
    file.value = null
  }

  async function take(kind: ImportKind): Promise<void> {
    const chosen = file.value
    file.value = null
    if (chosen === null) return
    if (kind === 'objects') await annotations.importFile(chosen)
    else await promptJobs.start((context) => startImportedPrompts(chosen, kind, context))
  }

  return { file, choose, giveUp, take }
})
