/** Reads a JSON value that this page stored earlier; `fallback` when there is none or it is unreadable. */
export function readStored<T>(key: string, fallback: T): T {
  try {
    const text = localStorage.getItem(key)
    return text === null ? fallback : (JSON.parse(text) as T)
  } catch {
    return fallback
  }
}

/**
 * Stores a JSON value and tells whether it is kept. For settings a full or forbidden storage only costs their memory;
 * for a user's work the answer has to be looked at.
 */
export function writeStored(key: string, value: unknown): boolean {
  try {
    localStorage.setItem(key, JSON.stringify(value))
    return true
  } catch {
    return false
  }
}
