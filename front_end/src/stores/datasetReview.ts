import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'

import { decideObject, listOpenObjects, readDataset } from 'src/api/datasets'
import { makeOrder } from 'src/composables/inOrder'
import type {
  Dataset,
  ReviewFilter,
  ReviewObject,
  ReviewPoint,
  ReviewProgress,
  ReviewState,
} from 'src/types/dataset'
import type { LoadState } from 'src/types/load'

import { useNoticesStore } from './notices'

const PAGE_SIZE = 30
/** More is read before the last of those here is looked at. */
const READ_AHEAD = 6

/** One dataset under review: its objects one after the other, lowest scores first; the server keeps every decision. */
export const useDatasetReviewStore = defineStore('datasetReview', () => {
  const notices = useNoticesStore()
  const dataset = shallowRef<Dataset | null>(null)
  const state = ref<LoadState>('idle')
  const filter = ref<ReviewFilter>({ gate: 'passed', class: null })
  const progress = shallowRef<ReviewProgress | null>(null)
  const objects = shallowRef<readonly ReviewObject[]>([])
  const index = ref(0)
  const isAsking = ref(false)
  const hasOutline = ref(true)
  /** What a click says without Alt. */
  const clicksInside = ref(true)
  /** Objects as they were before each decision, the latest last. */
  const undoable = shallowRef<readonly ReviewObject[]>([])
  const current = computed(() => objects.value[index.value] ?? null)
  const upcoming = computed(() => objects.value.slice(index.value + 1, index.value + 3))
  const canUndo = computed(() => undoable.value.length > 0)
  const decided = computed(() => {
    const counts = progress.value
    return counts === null ? 0 : counts.accepted + counts.rejected
  })
  const total = computed(() => decided.value + (progress.value?.open ?? 0))
  let isComplete = false
  const inOrder = makeOrder()

  function replace(object: ReviewObject): void {
    objects.value = objects.value.map((item) => (item.id === object.id ? object : item))
  }

  /** Reads the next page of open objects; those decided here have left the server's list. */
  async function readMore(): Promise<void> {
    const id = dataset.value?.id
    if (id === undefined || isComplete) return
    const asked = filter.value
    const offset = objects.value.filter((item) => item.state === 'open').length
    const page = await listOpenObjects(id, asked, { offset, limit: PAGE_SIZE })
    if (dataset.value?.id !== id || filter.value !== asked) return
    const known = new Set(objects.value.map((item) => item.id))
    const found = page.objects.filter((item) => !known.has(item.id))
    objects.value = [...objects.value, ...found]
    isComplete = found.length === 0
  }

  async function start(): Promise<void> {
    state.value = 'loading'
    ;[objects.value, undoable.value] = [[], []]
    index.value = 0
    isComplete = false
    try {
      await inOrder(readMore)
      state.value = 'ready'
    } catch (error) {
      state.value = 'failed'
      notices.report(error)
    }
  }

  async function open(chosen: Dataset): Promise<void> {
    dataset.value = chosen
    filter.value = { gate: 'passed', class: null }
    progress.value = null
    notices.dismiss()
    try {
      progress.value = (await readDataset(chosen.id)).review ?? null
    } catch (error) {
      notices.report(error)
    }
    await start()
  }

  async function choose(wanted: Partial<ReviewFilter>): Promise<void> {
    filter.value = { ...filter.value, ...wanted }
    await start()
  }

  function close(): void {
    dataset.value = null
  }

  async function ask(
    number: number,
    decision: { state: ReviewState } | { points: ReviewPoint[] },
  ): Promise<void> {
    const id = dataset.value?.id
    if (id === undefined) return
    const reply = await decideObject(id, number, decision)
    if (dataset.value?.id !== id) return
    replace(reply.object)
    progress.value = reply.review
  }

  function move(step: number): void {
    index.value = Math.min(Math.max(index.value + step, 0), objects.value.length)
    if (objects.value.length - index.value < READ_AHEAD) inOrder(readMore).catch(notices.report)
  }

  /** Decides about the object on the screen and goes on at once; the answer comes later. */
  function decide(decision: 'accepted' | 'rejected'): void {
    const before = current.value
    if (before === null || isAsking.value) return
    undoable.value = [...undoable.value, before]
    replace({ ...before, state: decision })
    inOrder(() => ask(before.id, { state: decision })).catch((error: unknown) => {
      undoable.value = undoable.value.filter((item) => item !== before)
      replace(before)
      notices.report(error)
    })
    move(1)
  }

  /** Adds a click; the mask of all clicks comes back, and the object stays on the screen. */
  async function click(point: ReviewPoint): Promise<void> {
    const before = current.value
    if (before === null || isAsking.value) return
    isAsking.value = true
    notices.dismiss()
    try {
      await inOrder(() => ask(before.id, { points: [...before.points, point] }))
      undoable.value = [...undoable.value, before]
    } catch (error) {
      notices.report(error)
    } finally {
      isAsking.value = false
    }
  }

  /** Brings an object back to an earlier state, whatever it is now. */
  async function restore(before: ReviewObject): Promise<void> {
    if (before.points.length > 0) await ask(before.id, { points: before.points })
    else await ask(before.id, { state: 'open' })
    const isThere = before.points.length > 0 ? before.state === 'accepted' : before.state === 'open'
    if (!isThere) await ask(before.id, { state: before.state })
  }

  /** Takes the latest decision or click back and shows its object. */
  async function undo(): Promise<void> {
    const before = undoable.value.at(-1)
    if (before === undefined || isAsking.value) return
    undoable.value = undoable.value.slice(0, -1)
    index.value = objects.value.findIndex((item) => item.id === before.id)
    isAsking.value = true
    try {
      await inOrder(() => restore(before))
    } catch (error) {
      notices.report(error)
    } finally {
      isAsking.value = false
    }
  }

  return {
    dataset,
    state,
    filter,
    progress,
    objects,
    index,
    isAsking,
    hasOutline,
    clicksInside,
    current,
    upcoming,
    canUndo,
    decided,
    total,
    open,
    choose,
    close,
    move,
    decide,
    click,
    undo,
  }
})
