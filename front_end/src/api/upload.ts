import { ApiError } from 'src/types/error'
import type { RasterMeta } from 'src/types/raster'

import { readReply, requestJson } from './request'

export interface UploadReply {
  raster: string
  message: string
  meta: RasterMeta
}

export interface SideFilesReply {
  files: string[]
  raster: string | null
}

export interface UploadOptions {
  signal: AbortSignal
  /** Called with the bytes of this request that have left the browser. */
  onProgress: (sentBytes: number) => void
}

function postFiles<T>(path: string, files: File[], options: UploadOptions): Promise<T> {
  const form = new FormData()
  for (const file of files) form.append('file', file, file.name)
  return postForm<T>(path, form, options)
}

/** Posts a form with XMLHttpRequest, because `fetch` cannot report upload progress. */
export function postForm<T>(path: string, form: FormData, options: UploadOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    xhr.upload.onprogress = (event) => options.onProgress(event.loaded)
    xhr.onerror = () => reject(new ApiError('No answer from the server.', 'unreachable'))
    xhr.onabort = () => reject(new DOMException('The upload was cancelled.', 'AbortError'))
    xhr.onload = () => {
      try {
        resolve(readReply<T>(xhr.status, xhr.responseText, xhr.getResponseHeader('Retry-After')))
      } catch (error) {
        reject(error)
      }
    }
    options.signal.addEventListener('abort', () => xhr.abort())
    xhr.open('POST', path)
    xhr.send(form)
  })
}

export function uploadRaster(file: File, options: UploadOptions): Promise<UploadReply> {
  return postFiles<UploadReply>('/upload', [file], options)
}

export function uploadSideFiles(files: File[], options: UploadOptions): Promise<SideFilesReply> {
  return postFiles<SideFilesReply>('/upload_cfg', files, options)
}

/** Asks the server to create its built-in georeferenced scene as a raster of this client. */
export function createSample(): Promise<UploadReply> {
  return requestJson<UploadReply>('/sample', { method: 'POST' })
}
