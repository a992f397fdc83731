import { cancelJob } from 'src/api/jobs'
import { readObjects, startSimilar } from 'src/api/similar'
import { pollJob } from 'src/composables/pollJob'
import { toApiError } from 'src/types/error'
import { isActive, type Job } from 'src/types/job'
import type { ObjectFeature } from 'src/types/object'
import type { SimilarObjects, SimilarRequest } from 'src/types/similar'

/** What was found, with the outlines. */
export interface Found extends SimilarObjects {
  outlines: ReadonlyMap<number, ObjectFeature>
}

export interface SearchListeners {
  onUpdate: (job: Job) => void
  /** Told about trouble that is waited out. */
  onTrouble: (error: unknown) => void
}

/** One search on the server; nothing is told about it any more once it is given up. */
export class SimilarSearch {
  private job: Job | null = null
  private isGivenUp = false

  constructor(private readonly listeners: SearchListeners) {}

  /**
   * Searches, and reads the outlines of what was found; null where the search was given up or cancelled.
   *
   * @throws ApiError what the server said against it
   */
  async run(request: SimilarRequest): Promise<Found | null> {
    try {
      const found = await this.search(request)
      if (found === null) return null
      const features = await readObjects(request.raster, found.ids, found.result_number)
      if (this.isGivenUp) return null
      return { ...found, outlines: new Map(features.map((item) => [item.properties.id, item])) }
    } catch (error) {
      if (this.isGivenUp) return null
      throw error
    }
  }

  giveUp(): void {
    this.isGivenUp = true
    this.cancel()
  }

  private async search(request: SimilarRequest): Promise<SimilarObjects | null> {
    const started = await startSimilar(request)
    this.update(started)
    // Given up before it had an id.
    if (this.isGivenUp) this.cancel()
    const options = {
      onUpdate: (job: Job) => this.update(job),
      onTrouble: (error: unknown) => this.isGivenUp || this.listeners.onTrouble(error),
    }
    return this.read(isActive(started) ? await pollJob(started.job, options) : started)
  }

  private read(job: Job): SimilarObjects | null {
    if (this.isGivenUp) return null
    if (job.error !== null) throw toApiError(job.error)
    return job.state === 'done' ? (job.result as unknown as SimilarObjects) : null
  }

  private update(job: Job): void {
    this.job = job
    if (!this.isGivenUp) this.listeners.onUpdate(job)
  }

  private cancel(): void {
    if (this.job === null || !isActive(this.job)) return
    // It ends by itself where this does not reach the server.
    cancelJob(this.job.job).catch(() => undefined)
  }
}
