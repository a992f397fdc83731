import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { ApiError } from 'src/types/error'

export interface Notice {
  /** The server's sentence; empty when `code` names one of the page's own messages. */
  message: string
  code: string
  field: string | null
}

function toNotice(error: unknown): Notice {
  if (error instanceof ApiError) {
    return { message: error.message, code: error.code, field: error.field }
  }
  return {
    message: error instanceof Error ? error.message : String(error),
    code: 'bug',
    field: null,
  }
}

/** The error that the user has to see; it stays until dismissed or until the next action succeeds. */
export const useNoticesStore = defineStore('notices', () => {
  const notice = ref<Notice | null>(null)
  const field = computed(() => notice.value?.field ?? null)

  /** Shows an error, whatever was thrown. An action that the user cancelled is no error. */
  function report(error: unknown): void {
    if (error instanceof DOMException && error.name === 'AbortError') return
    notice.value = toNotice(error)
  }

  /** Shows an error that the server stored, such as that of a failed job. */
  function show(message: string, code: string, errorField: string | null): void {
    notice.value = { message, code, field: errorField }
  }

  function dismiss(): void {
    notice.value = null
  }

  return { notice, field, report, show, dismiss }
})
