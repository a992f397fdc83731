import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { promoteObjects } from 'src/api/annotations'
import { toSeen } from 'src/types/annotation'
import { isConflict } from 'src/types/error'
import type { Job } from 'src/types/job'
import type { LoadState } from 'src/types/load'
import type { Candidate, SimilarRequest } from 'src/types/similar'

import { useEditingStore } from './editing'
import { useLayerStore } from './layer'
import { useNoticesStore } from './notices'
import { useRastersStore } from './rasters'
import { useSegmentationStore } from './segmentation'
import { type Found, SimilarSearch } from './similarSearch'
import { useViewStore } from './view'

/** The server takes no more. */
const MAX_EXAMPLES = 50
/** More than anybody looks through. */
const MAX_CANDIDATES = 500

export type SearchScope = 'view' | 'raster'

/** Objects of the automatic result that look like the selected accepted ones: searched, looked through, kept. */
export const useSimilarStore = defineStore('similar', () => {
  const editing = useEditingStore()
  const layer = useLayerStore()
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const segmentation = useSegmentationStore()
  const view = useViewStore()
  const isOpen = ref(false)
  /** `idle` while open: the search was cancelled. */
  const state = ref<LoadState>('idle')
  const job = shallowRef<Job | null>(null)
  const wantedScope = ref<SearchScope>('view')
  const found = shallowRef<Found | null>(null)
  /** How many of those found are shown, most alike first. */
  const count = ref(1)
  const leftOut = shallowRef<ReadonlySet<number>>(new Set())
  let current: SimilarSearch | null = null

  /** Why nothing can be searched; null where it can. */
  const obstacle = computed(() => {
    if (rasters.result === null) return 'noResult'
    if (editing.count === 0) return 'noExample'
    return editing.count > MAX_EXAMPLES ? 'tooManyExamples' : null
  })
  const canSearchView = computed(() => view.visible !== null)
  const scope = computed({
    get: () => (canSearchView.value ? wantedScope.value : 'raster'),
    set: (wanted) => {
      wantedScope.value = wanted
      void search()
    },
  })
  const maximum = computed(() => Math.min(found.value?.ids.length ?? 0, MAX_CANDIDATES))
  const shownIds = computed(() => found.value?.ids.slice(0, count.value) ?? [])
  const keptIds = computed(() => shownIds.value.filter((id) => !leftOut.value.has(id)))
  const candidates = computed((): Candidate[] =>
    shownIds.value.flatMap((id) => {
      const feature = found.value?.outlines.get(id)
      return feature === undefined ? [] : { feature, isLeftOut: leftOut.value.has(id) }
    }),
  )
  /** The class that all examples have; null where they have none in common. */
  const className = computed(() => {
    const names = new Set(editing.selected.map((item) => item.properties.class))
    return names.size === 1 ? ([...names][0] ?? null) : null
  })

  function describeRequest(raster: string): SimilarRequest {
    const window = scope.value === 'view' ? view.visible : null
    return {
      raster,
      objects: editing.selected.map(toSeen),
      window: window && [window.col, window.row, window.width, window.height],
      rgb_index: view.rgbIndex,
      checkpoint: segmentation.checkpoint ?? undefined,
    }
  }

  function forget(): void {
    current?.giveUp()
    current = null
    job.value = null
    found.value = null
    leftOut.value = new Set()
    state.value = 'idle'
  }

  function show(result: Found | null): void {
    found.value = result
    state.value = result === null ? 'idle' : 'ready'
    count.value = Math.max(1, Math.min(result?.n_alike ?? 0, maximum.value))
  }

  async function tell(error: unknown): Promise<void> {
    state.value = 'failed'
    if (!isConflict(error)) return notices.report(error)
    await layer.refresh()
    notices.show('', 'conflict', null)
  }

  /** Searches with what is selected now; an earlier search is given up. */
  async function search(): Promise<void> {
    const raster = rasters.meta?.raster
    if (raster === undefined || obstacle.value !== null) return
    forget()
    notices.dismiss()
    state.value = 'loading'
    const onUpdate = (update: Job) => (job.value = update)
    const started = new SimilarSearch({ onUpdate, onTrouble: notices.report })
    current = started
    try {
      const result = await started.run(describeRequest(raster))
      if (current === started) show(result)
    } catch (error) {
      if (current === started) await tell(error)
    }
  }

  async function open(): Promise<void> {
    if (obstacle.value !== null) return
    if (editing.tool !== 'select') editing.use('select')
    isOpen.value = true
    await search()
  }

  function close(): void {
    isOpen.value = false
    forget()
  }

  /** Leaves a candidate out, or takes it in again. */
  function toggle(id: number): void {
    const next = new Set(leftOut.value)
    if (!next.delete(id)) next.add(id)
    leftOut.value = next
  }

  /** Takes over what is shown and not left out, as one step that can be undone. */
  async function keep(): Promise<void> {
    const [ids, name] = [keptIds.value, className.value]
    if (ids.length === 0) return
    const resultNumber = found.value?.result_number
    const answer = await layer.submit((raster) => promoteObjects(raster, ids, name, resultNumber))
    if (answer !== null) close()
  }

  // What was found belongs to these examples, and its ids to this result.
  watch(
    [() => editing.selected.map((item) => item.properties.id).join(), () => rasters.result?.job],
    close,
    { flush: 'sync' },
  )
  watch(
    () => editing.tool,
    (tool) => tool !== 'select' && close(),
  )

  return {
    isOpen,
    state,
    job,
    obstacle,
    canSearchView,
    scope,
    count,
    maximum,
    shownIds,
    keptIds,
    candidates,
    className,
    search,
    open,
    close,
    cancel: forget,
    toggle,
    keep,
  }
})
