import { ApiError, type ErrorReply } from 'src/types/error'

const RELOAD_KEY = 'rs.reloaded'
/** A second refusal within this time is not cured by another reload: show it instead of looping. */
const RELOAD_PAUSE_MS = 15_000

function isErrorReply(body: unknown): body is ErrorReply {
  return typeof body === 'object' && body !== null && 'error' in body && 'message' in body
}

/** Reads a reply's JSON text; undefined when it is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The server shows its human check in place of this page, so a visitor without a session needs a reload. */
function reloadOnce(): void {
  const now = Date.now()
  if (now - Number(sessionStorage.getItem(RELOAD_KEY) ?? 0) < RELOAD_PAUSE_MS) return
  sessionStorage.setItem(RELOAD_KEY, String(now))
  location.reload()
}

/**
 * Turns a status and body into the JSON value, or throws the ApiError that the server described.
 *
 * @param retryAfter the Retry-After header, in seconds
 */
export function readReply<T>(status: number, text: string, retryAfter: string | null): T {
  const body = parseJson(text)
  if (status >= 200 && status < 300 && body !== undefined) return body as T
  if (!isErrorReply(body)) throw new ApiError(`HTTP ${status}`, 'unexpected_reply', null, status)
  if (body.error === 'not_human') reloadOnce()
  const retryAfterS = retryAfter === null ? null : Number(retryAfter)
  throw new ApiError(body.message, body.error, body.field ?? null, status, retryAfterS)
}

/** Sends one request and returns its JSON. An aborted request rejects with the browser's AbortError. */
export async function requestJson<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response
  try {
    response = await fetch(path, { credentials: 'same-origin', ...init })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError('No answer from the server.', 'unreachable')
  }
  return readReply<T>(response.status, await response.text(), response.headers.get('Retry-After'))
}

/** A path with its query; undefined values are left out. */
export function withQuery(
  path: string,
  query: Record<string, string | number | undefined>,
): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined)
  const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString()
  if (text === '') return path
  return path + (path.includes('?') ? '&' : '?') + text
}
