import { describe, expect, it } from 'vitest'

import {
  addStep,
  chosenMask,
  currentPrompts,
  currentStep,
  EMPTY_HISTORY,
  latestMask,
  maskToRefine,
  moveBy,
  updateStep,
} from 'src/stores/promptHistory'
import type { CandidateMask, PromptBox, Prompts } from 'src/types/prompt'

const BOX: PromptBox = [0, 0, 9, 9]

function click(n: number, box: PromptBox | null = null): Prompts {
  return { points: Array.from({ length: n }, (_, x) => ({ x, y: 0, isInside: true })), box }
}

function mask(id: string): CandidateMask {
  const geometry = { type: 'Polygon', coordinates: [] }
  return {
    id,
    predicted_iou: 0.9,
    area_px: 4,
    area_m2: null,
    feature: { type: 'Feature', geometry, properties: {} },
  }
}

const one = updateStep(addStep(EMPTY_HISTORY, click(1), 1), 1, { masks: [mask('a'), mask('b')] })

describe('the history of prompts', () => {
  it('goes back, forward, and not beyond its ends', () => {
    const two = addStep(one, click(2), 2)
    expect(currentPrompts(moveBy(two, -1)).points).toHaveLength(1)
    expect(currentPrompts(moveBy(moveBy(two, -1), 1)).points).toHaveLength(2)
    expect(moveBy(two, 1).position).toBe(2)
    expect(currentPrompts(moveBy(moveBy(moveBy(two, -1), -1), -1))).toEqual({
      points: [],
      box: null,
    })
  })

  it('forgets what was undone once something new is said', () => {
    const other = addStep(moveBy(addStep(one, click(2), 2), -1), click(3), 3)
    expect(other.steps.map((step) => step.key)).toEqual([1, 3])
  })

  it('keeps the answer to a step that is gone back to', () => {
    const back = moveBy(addStep(one, click(2), 2), -1)
    expect(chosenMask(currentStep(back))?.id).toBe('a')
  })

  it('shows the last known mask until the next is answered', () => {
    expect(latestMask(addStep(one, click(2), 2))?.id).toBe('a')
    expect(latestMask(EMPTY_HISTORY)).toBeNull()
  })

  it('refines the mask that was chosen, across unanswered steps', () => {
    const chosen = updateStep(one, 1, { chosen: 1 })
    expect(maskToRefine(addStep(addStep(chosen, click(2), 2), click(3), 3))?.id).toBe('b')
    expect(maskToRefine(one)).toBeNull()
  })

  it('starts afresh with a new box, and refines within it', () => {
    const boxed = addStep(one, click(1, BOX), 2)
    expect(maskToRefine(boxed)).toBeNull()
    const answered = updateStep(boxed, 2, { masks: [mask('c')] })
    expect(maskToRefine(addStep(answered, click(2, BOX), 3))?.id).toBe('c')
  })
})
