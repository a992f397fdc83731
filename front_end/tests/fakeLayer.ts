import type {
  Annotation,
  EditRequest,
  LayerAnswer,
  LayerChanges,
  NewObject,
  ObjectClass,
} from 'src/types/annotation'

type Body = LayerChanges & Partial<EditRequest> & { ids?: number[] | null; class?: string | null }

export interface Sent {
  path: string
  body: Body
}

/** Annotation routes that keep the layer of `a.tif` in memory, as `fetch` sees them; others are empty. */
export class FakeLayer {
  revision = 0
  classes: ObjectClass[] = []
  objects = new Map<number, Annotation>()
  removed = new Map<number, number>()
  sent: Sent[] = []
  /** Answers the next requests with these instead; null is a network that is down. */
  failures: (Response | null)[] = []
  notes: string[] = []
  private lastId = 0

  readonly fetch = (path: string, init: RequestInit = {}): Promise<Response> => {
    const failure = this.failures.shift()
    if (failure === null) return Promise.reject(new TypeError('Failed to fetch'))
    const isJson = typeof init.body === 'string'
    const body = (isJson ? JSON.parse(String(init.body)) : {}) as Body
    if (init.method === 'POST') this.sent.push({ path, body })
    const reply = failure ?? this.answer(new URL(path, 'http://page'), init.method, body)
    return Promise.resolve(reply)
  }

  /** What another tab does. */
  change(id: number, facts: Partial<Annotation['properties']>): void {
    this.revision += 1
    const item = this.objects.get(id)!
    const properties = { ...item.properties, ...facts, revision: this.revision }
    this.objects.set(id, { ...item, properties })
  }

  remove(id: number): void {
    this.revision += 1
    this.objects.delete(id)
    this.removed.set(id, this.revision)
  }

  add({ geometry, ...facts }: NewObject): void {
    this.lastId += 1
    const measures = { area_px: 9, area_m2: null, created: '', changed: '' }
    const properties = { ...facts, ...measures, id: this.lastId, revision: this.revision }
    this.objects.set(this.lastId, { type: 'Feature', geometry, properties })
  }

  private answer(url: URL, method: string | undefined, body: Body): Response {
    const { pathname, searchParams } = url
    if (method !== 'POST') {
      const isKnown = searchParams.get('raster') === 'a.tif'
      return isKnown
        ? this.describe(Number(searchParams.get('since')))
        : new FakeLayer().describe(0)
    }
    if (this.isOutdated(body)) return refusal(409, 'conflict')
    const since = this.revision
    this.apply(body)
    if (pathname === '/annotations/promote') this.promote(body)
    return this.describe(since, pathname.endsWith('/import') ? this.notes : [])
  }

  private isOutdated({ change = [], remove = [] }: Body): boolean {
    return [...change, ...remove].some(
      ({ id, revision }) => this.objects.get(id)?.properties.revision !== revision,
    )
  }

  private promote({ ids, class: name = null }: Body): void {
    const rating = { checkpoint: 'tiny', predicted_iou: 0.9, stability_score: 0.9 }
    const geometry = { type: 'Polygon', coordinates: [] }
    for (let count = 0; count < (ids?.length ?? 3); count += 1) {
      this.add({ geometry, class: name, source: 'automatic', ...rating })
    }
  }

  private apply({ add = [], change = [], remove = [], classes }: Body): void {
    this.revision += 1
    for (const item of add) this.add(item)
    for (const { id, geometry, ...facts } of change) {
      const before = this.objects.get(id)!
      const properties = { ...before.properties, ...facts, revision: this.revision }
      this.objects.set(id, { ...before, geometry: geometry ?? before.geometry, properties })
    }
    for (const { id } of remove) {
      this.objects.delete(id)
      this.removed.set(id, this.revision)
    }
    this.classes = classes ?? this.classes
  }

  private describe(since: number, notes: string[] = []): Response {
    const isUnknown = since > this.revision
    if (isUnknown) since = 0
    const answer: LayerAnswer = {
      revision: this.revision,
      since,
      space: 'lonlat',
      classes: this.classes,
      objects: [...this.objects.values()].filter((item) => item.properties.revision > since),
      removed: [...this.removed].filter(([, at]) => since > 0 && at > since).map(([id]) => id),
      undo: this.revision > 0 ? 'add' : null,
      redo: null,
      notes,
    }
    return new Response(JSON.stringify(answer), { status: 200 })
  }
}

export function refusal(status: number, error: string): Response {
  const message = `${error}.`
  return new Response(JSON.stringify({ error, message, field: null }), { status })
}
