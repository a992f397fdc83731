import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { readLayer, redoLayer, undoLayer } from 'src/api/annotations'
import type { LayerAnswer } from 'src/types/annotation'
import { isConflict } from 'src/types/error'
import type { LoadState } from 'src/types/load'
import type { Space } from 'src/types/prompt'
import type { RasterMeta } from 'src/types/raster'

import { completeLayer, EMPTY_LAYER, hasGap, patchLayer, type LayerState } from './layerState'
import { useNoticesStore } from './notices'
import { useRastersStore } from './rasters'

/** The raster that a request is about, which may no longer be the current one when the answer comes. */
export interface LayerTarget {
  meta: RasterMeta
  raster: string
  space: Space
}

type Ask = (raster: string) => Promise<LayerAnswer>

/** The annotation layer of the current raster as the server has it, and the one way to change it. */
export const useLayerStore = defineStore('layer', () => {
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const layer = shallowRef<LayerState>(EMPTY_LAYER)
  const state = ref<LoadState>('idle')
  /** How many requests have not been answered. */
  const pending = ref(0)
  const objects = computed(() => layer.value.objects)
  const classes = computed(() => layer.value.classes)
  /** Up to this revision everything is known. */
  const revision = computed(() => layer.value.revision)
  const undoTitle = computed(() => layer.value.undo)
  const redoTitle = computed(() => layer.value.redo)
  const byId = computed(() => new Map(objects.value.map((item) => [item.properties.id, item])))
  const space = computed(() => rasters.tileJson?.space ?? 'pixel')
  let queue: Promise<unknown> = Promise.resolve()

  function findTarget(): LayerTarget | null {
    const { meta } = rasters
    return meta && { meta, raster: meta.raster, space: space.value }
  }

  function isCurrent(target: LayerTarget): boolean {
    return rasters.meta === target.meta
  }

  /** Does one thing after another, so that each knows the revisions that the one before it gave. */
  function enqueue<T>(work: () => Promise<T>): Promise<T> {
    pending.value += 1
    const done = queue.then(work).finally(() => (pending.value -= 1))
    queue = done.catch(() => undefined)
    return done
  }

  /** Learns what has changed since the last answer, from other tabs too. */
  async function catchUp(target: LayerTarget): Promise<void> {
    const answer = await readLayer(target.raster, layer.value.revision)
    if (!isCurrent(target)) return
    layer.value = completeLayer(layer.value, answer)
    state.value = 'ready'
  }

  async function tryToCatchUp(target: LayerTarget): Promise<void> {
    if (!isCurrent(target)) return
    try {
      await catchUp(target)
    } catch (error) {
      notices.report(error)
    }
  }

  async function takeOver(target: LayerTarget, answer: LayerAnswer): Promise<void> {
    if (!isCurrent(target)) return
    notices.dismiss()
    layer.value = patchLayer(layer.value, answer)
    if (hasGap(layer.value, answer)) await tryToCatchUp(target)
  }

  async function tell(error: unknown, target: LayerTarget): Promise<void> {
    if (!isConflict(error)) return notices.report(error)
    await tryToCatchUp(target)
    notices.show('', 'conflict', null)
  }

  /**
   * Asks for a change and takes over the answer; null when there was none, which the user is told.
   *
   * @param ask called once the requests before it are answered
   * @param onError called after the user was told
   */
  async function submit(
    ask: Ask,
    onError?: (error: unknown, target: LayerTarget) => void,
  ): Promise<LayerAnswer | null> {
    const target = findTarget()
    if (target === null) return null
    return enqueue(async () => {
      try {
        const answer = await ask(target.raster)
        await takeOver(target, answer)
        return answer
      } catch (error) {
        await tell(error, target)
        onError?.(error, target)
        return null
      }
    })
  }

  async function refresh(): Promise<void> {
    const target = findTarget()
    if (target !== null) await enqueue(() => tryToCatchUp(target))
  }

  async function load(): Promise<void> {
    layer.value = EMPTY_LAYER
    state.value = rasters.meta === null ? 'idle' : 'loading'
    const { meta } = rasters
    await refresh()
    if (rasters.meta === meta && state.value === 'loading') state.value = 'failed'
  }

  // At once, so that no object of one raster is taken for one of the next.
  watch(() => rasters.meta, load, { immediate: true, flush: 'sync' })
  // Another tab may have changed the layer.
  window.addEventListener('focus', () => void refresh())

  return {
    objects,
    classes,
    revision,
    byId,
    undoTitle,
    redoTitle,
    space,
    state,
    pending,
    load,
    refresh,
    submit,
    findTarget,
    isCurrent,
    undo: () => submit((raster) => undoLayer(raster, layer.value.revision)),
    redo: () => submit((raster) => redoLayer(raster, layer.value.revision)),
  }
})
