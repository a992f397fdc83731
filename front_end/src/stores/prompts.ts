import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import type { LoadState } from 'src/types/load'
import type { CandidateMask, PromptBox, PromptPoint, Prompts, Space } from 'src/types/prompt'

import { useNoticesStore } from './notices'
import {
  addStep,
  chosenMask,
  currentPrompts,
  currentStep,
  EMPTY_HISTORY,
  latestMask,
  moveBy,
  type PromptHistory,
  type PromptStep,
  updateStep,
} from './promptHistory'
import { describeRequest, meansSomething, predict, type PromptContext } from './promptRequest'
import { useRastersStore } from './rasters'
import { useSegmentationStore } from './segmentation'
import { useViewStore } from './view'

/** The prompts of the object that is being outlined, and the masks that the server offers for them. */
export const usePromptsStore = defineStore('prompts', () => {
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const segmentation = useSegmentationStore()
  const view = useViewStore()
  /** Whether clicks on the map are prompts. */
  const isActive = ref(false)
  /** Whether dragging draws a box instead of moving the map. */
  const boxTool = ref(false)
  /** What the map gives prompts in. */
  const space = ref<Space>('pixel')
  const state = ref<LoadState>('idle')
  const history = shallowRef<PromptHistory>(EMPTY_HISTORY)
  const prompts = computed(() => currentPrompts(history.value))
  const isEmpty = computed(() => prompts.value.points.length === 0 && prompts.value.box === null)
  const needsInside = computed(() => !isEmpty.value && !meansSomething(prompts.value))
  const canUndo = computed(() => history.value.position > 0)
  const canRedo = computed(() => history.value.position < history.value.steps.length)
  /** Whether an object has been begun, even if all was taken back. */
  const isInProgress = computed(() => canUndo.value || canRedo.value)
  const candidates = computed(() => currentStep(history.value)?.masks ?? [])
  const chosen = computed(() => currentStep(history.value)?.chosen ?? 0)
  /** What is outlined on the map; while an answer is awaited, the mask before it. */
  const mask = computed(() => (needsInside.value ? null : latestMask(history.value)))
  let controller = new AbortController()
  let isWorking = false
  let lastKey = 0

  /** What a request of the current raster says beside its prompts. */
  function describeContext(raster: string): PromptContext {
    return {
      raster,
      rgb_index: view.rgbIndex,
      checkpoint: segmentation.checkpoint ?? undefined,
      space: space.value,
    }
  }

  /** The current step, if the server has still to be asked about it. */
  function findOpenStep(): PromptStep | null {
    const step = currentStep(history.value)
    const isOpen = state.value === 'loading' && step !== null && step.masks === null
    return isOpen ? step : null
  }

  async function ask(raster: string, step: PromptStep): Promise<void> {
    controller = new AbortController()
    const { signal } = controller
    const isCurrent = () => !signal.aborted && currentStep(history.value)?.key === step.key
    try {
      const masks = await predict(describeRequest(history.value, describeContext(raster)), signal)
      if (signal.aborted) return
      // An overtaken answer is not shown, and yet is what a later prompt refines or an undo goes back to.
      history.value = updateStep(history.value, step.key, { masks })
      if (isCurrent()) state.value = 'ready'
    } catch (error) {
      if (!isCurrent()) return
      state.value = 'failed'
      notices.report(error)
    }
  }

  /** Asks about the current step, one request at a time; steps overtaken meanwhile are passed over. */
  async function work(): Promise<void> {
    if (isWorking) return
    isWorking = true
    for (let step = findOpenStep(); step !== null; step = findOpenStep()) {
      if (rasters.meta === null) break
      await ask(rasters.meta.raster, step)
    }
    isWorking = false
  }

  /** Makes a history the current one and asks for what it lacks. */
  function show(next: PromptHistory): void {
    history.value = next
    const step = currentStep(next)
    if (step === null || !meansSomething(step.prompts)) state.value = 'idle'
    else if (step.masks !== null) state.value = 'ready'
    else {
      state.value = 'loading'
      notices.dismiss()
      void work()
    }
  }

  function push(next: Prompts): void {
    show(addStep(history.value, next, (lastKey += 1)))
  }

  function addPoint(point: PromptPoint): void {
    push({ ...prompts.value, points: [...prompts.value.points, point] })
  }

  /** Sets the box; there is only one. */
  function setBox(box: PromptBox): void {
    push({ ...prompts.value, box })
  }

  function undo(): void {
    show(moveBy(history.value, -1))
  }

  function redo(): void {
    show(moveBy(history.value, 1))
  }

  /** Asks about the current prompts once more, after a failure. */
  function retry(): void {
    if (state.value === 'failed') show(history.value)
  }

  /** Goes on to the next of the masks that the prompts may mean, and from the last to the first. */
  function chooseNext(): void {
    const step = currentStep(history.value)
    if (step === null || candidates.value.length < 2) return
    const next = (step.chosen + 1) % candidates.value.length
    history.value = updateStep(history.value, step.key, { chosen: next })
  }

  function clear(): void {
    controller.abort()
    history.value = EMPTY_HISTORY
    state.value = 'idle'
  }

  /** The mask to accept, which starts the next object; null while there is none. */
  function take(): CandidateMask | null {
    const taken = state.value === 'ready' ? chosenMask(currentStep(history.value)) : null
    if (taken !== null) clear()
    return taken
  }

  // At once, so that the bands of the next raster ask nothing about the prompts of this one.
  watch(() => rasters.meta, clear, { flush: 'sync' })
  watch(
    () => [...view.rgbIndex, segmentation.checkpoint].join(),
    () => {
      // Another network or other bands see another image: the masks so far answer a different question.
      const kept = prompts.value
      clear()
      if (kept.points.length > 0 || kept.box !== null) push(kept)
    },
  )

  return {
    isActive,
    boxTool,
    space,
    state,
    prompts,
    isEmpty,
    needsInside,
    canUndo,
    canRedo,
    isInProgress,
    candidates,
    chosen,
    mask,
    describeContext,
    addPoint,
    setBox,
    undo,
    redo,
    retry,
    chooseNext,
    clear,
    take,
  }
})
