/** Reads a JSON value that this page stored earlier; `fallback` when there is none or it is unreadable. */
export function readStored<T>(key: string, fallback: T): T {
  try {
    const text = localStorage.getItem(key)
    return text === null ? fallback : (JSON.parse(text) as T)
  } catch {
    return fallback
  }
}

/** Stores a JSON value. A full or forbidden storage only costs the memory of the setting. */
export function writeStored(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value))
  } catch {
    // The page works without it.
  }
}
