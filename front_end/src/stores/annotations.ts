import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { changeLayer, importObjects, promoteObjects } from 'src/api/annotations'
import { toSeen, type Annotation, type LayerAnswer, type NewObject } from 'src/types/annotation'
import { isRefusal } from 'src/types/error'
import type { Geometry } from 'src/types/object'
import type { CandidateMask } from 'src/types/prompt'

import { type LayerTarget, useLayerStore } from './layer'
import { useNoticesStore } from './notices'
import { readStored, writeStored } from './storage'
import { addWaiting, dropWaiting, readWaiting } from './waitingObjects'

const CLASS_KEY = 'rs.class'

/** How objects come into the layer of the current raster, and what they are called. */
export const useAnnotationsStore = defineStore('annotations', () => {
  const layer = useLayerStore()
  const notices = useNoticesStore()
  /** What the server has said about the last import. */
  const notes = ref<string[]>([])
  /** How many objects this browser keeps because the server does not have them yet. */
  const waiting = ref(0)
  /** The object that the map is to show large; set anew for each request. */
  const zoomTarget = shallowRef<Annotation | null>(null)
  /** What the next object is called. */
  const className = ref(readStored(CLASS_KEY, ''))
  const nextClass = computed(() => className.value.trim() || null)

  /** Sends what this browser keeps: what earlier versions of the page stored, and what could not be sent. */
  async function sendWaiting(): Promise<void> {
    const target = layer.findTarget()
    if (target === null) return
    const { raster, space } = target
    const kept = readWaiting(raster, space)
    waiting.value = kept.length
    if (kept.length === 0) return
    const answer = await layer.submit(() => changeLayer(raster, { add: kept }))
    if (answer === null) return
    dropWaiting(raster, space)
    if (layer.isCurrent(target)) waiting.value = 0
  }

  function forgetWaiting(): void {
    const target = layer.findTarget()
    if (target !== null) dropWaiting(target.raster, target.space)
    waiting.value = 0
  }

  /** Keeps objects that the server cannot take now, unless it never will. */
  function keep(objects: NewObject[], error: unknown, target: LayerTarget): void {
    if (isRefusal(error)) return
    if (!addWaiting(target.raster, target.space, objects)) notices.show('', 'storage_full', null)
    else if (layer.isCurrent(target)) waiting.value += objects.length
  }

  async function add(object: NewObject): Promise<LayerAnswer | null> {
    const objects = [object]
    const answer = await layer.submit(
      (raster) => changeLayer(raster, { add: objects }),
      (error, target) => keep(objects, error, target),
    )
    // The server answers again.
    if (answer !== null && waiting.value > 0) await sendWaiting()
    return answer
  }

  /** Adds an accepted mask under the current class name. */
  function accept(mask: CandidateMask, checkpoint: string | null): Promise<LayerAnswer | null> {
    const { geometry } = mask.feature
    return add({
      geometry,
      class: nextClass.value,
      source: 'prompt',
      checkpoint,
      predicted_iou: mask.predicted_iou,
      stability_score: null,
    })
  }

  /** Adds an outline drawn by hand under the current class name. */
  function addDrawn(geometry: Geometry): Promise<LayerAnswer | null> {
    const rating = { checkpoint: null, predicted_iou: null, stability_score: null }
    return add({ geometry, class: nextClass.value, source: 'drawn', ...rating })
  }

  function removeAll(): Promise<LayerAnswer | null> {
    return layer.submit((raster) => changeLayer(raster, { remove: layer.objects.map(toSeen) }))
  }

  async function importFile(file: File): Promise<LayerAnswer | null> {
    notes.value = []
    const answer = await layer.submit((raster) => importObjects(raster, file))
    notes.value = answer?.notes ?? []
    return answer
  }

  /** Takes objects of the automatic result over; those that the result gave a class keep it. */
  function promote(ids: number[] | null, hasClass: boolean): Promise<LayerAnswer | null> {
    const name = hasClass ? null : nextClass.value
    return layer.submit((raster) => promoteObjects(raster, ids, name))
  }

  function zoomTo(item: Annotation): void {
    zoomTarget.value = { ...item }
  }

  watch(
    () => layer.state,
    (state) => {
      notes.value = []
      waiting.value = 0
      // Before the layer could be read, sending would be in vain.
      if (state === 'ready') void sendWaiting()
    },
    { immediate: true },
  )
  watch(className, (name) => writeStored(CLASS_KEY, name))

  return {
    notes,
    waiting,
    zoomTarget,
    className,
    nextClass,
    sendWaiting,
    forgetWaiting,
    accept,
    addDrawn,
    removeAll,
    importFile,
    promote,
    zoomTo,
  }
})
