import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { readReply, requestJson, withQuery } from 'src/api/request'
import { ApiError } from 'src/types/error'

function thrownBy(action: () => unknown): ApiError {
  try {
    action()
  } catch (error) {
    return error as ApiError
  }
  throw new Error('Nothing was thrown.')
}

describe('readReply', () => {
  beforeEach(() => sessionStorage.clear())
  afterEach(() => vi.restoreAllMocks())

  it('returns the JSON of a success', () => {
    expect(readReply(202, '{"job": "a"}', null)).toEqual({ job: 'a' })
  })

  it('never takes a refusal for a success', () => {
    const body = '{"error": "bad_parameter", "message": "Band 5 asked.", "field": "rgb_index"}'
    const error = thrownBy(() => readReply(400, body, null))
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({
      message: 'Band 5 asked.',
      code: 'bad_parameter',
      field: 'rgb_index',
      status: 400,
    })
  })

  it('keeps how long to wait', () => {
    const body = '{"error": "too_frequent", "message": "Slow down.", "field": null}'
    expect(thrownBy(() => readReply(429, body, '7')).retryAfterS).toBe(7)
  })

  it('calls a page in place of JSON unexpected', () => {
    expect(thrownBy(() => readReply(200, '<html>', null)).code).toBe('unexpected_reply')
    expect(thrownBy(() => readReply(502, 'Bad gateway', null)).code).toBe('unexpected_reply')
  })

  it('reloads for the human check, but not in a loop', () => {
    const reload = vi.spyOn(location, 'reload').mockImplementation(() => {})
    const body = '{"error": "not_human", "message": "Answer the question first.", "field": null}'
    thrownBy(() => readReply(403, body, null))
    thrownBy(() => readReply(403, body, null))
    expect(reload).toHaveBeenCalledTimes(1)
  })
})

describe('requestJson', () => {
  afterEach(() => vi.unstubAllGlobals())

  it('tells a missing server from a refusal', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')))
    await expect(requestJson('/rasters')).rejects.toMatchObject({ code: 'unreachable' })
  })
})

describe('withQuery', () => {
  it('adds to a path with or without a query and encodes names', () => {
    expect(withQuery('/a', { raster: 'a b&c.tif', job: undefined })).toBe('/a?raster=a+b%26c.tif')
    expect(withQuery('/a?x=1', { y: 2 })).toBe('/a?x=1&y=2')
    expect(withQuery('/a', {})).toBe('/a')
  })
})
