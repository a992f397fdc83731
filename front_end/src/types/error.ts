/** The one error shape of the server, on every route. */
export interface ErrorReply {
  error: string
  message: string
  field: string | null
}

/** A request that did not succeed. `message` is the server's sentence, shown to the user as it is. */
export class ApiError extends Error {
  /**
   * @param code the server's error code, or `unreachable` / `unexpected_reply` when the server said nothing usable
   * @param field the request parameter the error is about, null when it is about none
   * @param status HTTP status, 0 when no answer came
   * @param retryAfterS seconds to wait before asking again, null when the server named none
   */
  constructor(
    message: string,
    readonly code: string,
    readonly field: string | null = null,
    readonly status = 0,
    readonly retryAfterS: number | null = null,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

/** What went wrong in a job, as if it had been the answer to a request. */
export function toApiError({ error, message, field }: ErrorReply): ApiError {
  return new ApiError(message, error, field)
}

/** Whether somebody else has changed what the request was about. */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.code === 'conflict'
}

const TOO_MANY_REQUESTS = 429

/** Whether the server has looked at the request and will not take it; otherwise it may be sent again later. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  return error.status >= 400 && error.status < 500 && error.status !== TOO_MANY_REQUESTS
}
