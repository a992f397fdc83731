import type { CandidateMask, Prompts } from 'src/types/prompt'

/** One state of the prompts, with the server's answer to it. */
export interface PromptStep {
  key: number
  prompts: Prompts
  /** null until the server has answered. */
  masks: CandidateMask[] | null
  /** Which of the masks is meant. */
  chosen: number
}

/** All states of one object's prompts. Every change gives a new history. */
export interface PromptHistory {
  steps: readonly PromptStep[]
  /** How many steps are in effect; those after it can be redone. */
  position: number
}

export const EMPTY_HISTORY: PromptHistory = { steps: [], position: 0 }
const NO_PROMPTS: Prompts = { points: [], box: null }

export function currentStep(history: PromptHistory): PromptStep | null {
  return history.steps[history.position - 1] ?? null
}

export function currentPrompts(history: PromptHistory): Prompts {
  return currentStep(history)?.prompts ?? NO_PROMPTS
}

/** Adds a state after the current one; what could be redone is forgotten. */
export function addStep(history: PromptHistory, prompts: Prompts, key: number): PromptHistory {
  const steps = history.steps.slice(0, history.position)
  return {
    steps: [...steps, { key, prompts, masks: null, chosen: 0 }],
    position: history.position + 1,
  }
}

/** Goes back (-1) or forward (1), not beyond the ends. */
export function moveBy(history: PromptHistory, by: -1 | 1): PromptHistory {
  const position = Math.max(0, Math.min(history.steps.length, history.position + by))
  return { ...history, position }
}

/** Replaces facts of the step with this key. */
export function updateStep(
  history: PromptHistory,
  key: number,
  facts: Partial<PromptStep>,
): PromptHistory {
  const steps = history.steps.map((step) => (step.key === key ? { ...step, ...facts } : step))
  return { ...history, steps }
}

export function chosenMask(step: PromptStep | null): CandidateMask | null {
  return step?.masks?.[step.chosen] ?? null
}

/** The mask that is known for the current step, or until it is answered, for the last one before it. */
export function latestMask(history: PromptHistory): CandidateMask | null {
  const answered = history.steps.slice(0, history.position).filter((step) => step.masks !== null)
  return chosenMask(answered.at(-1) ?? null)
}

/**
 * The mask that the current step refines: that of the last answered step before it with the same box. A new box means
 * that the object is not where it was thought to be, so it starts afresh.
 */
export function maskToRefine(history: PromptHistory): CandidateMask | null {
  const { box } = currentPrompts(history)
  const earlier = history.steps.slice(0, Math.max(0, history.position - 1))
  const answered = earlier.filter((step) => step.masks !== null && step.prompts.box === box)
  return chosenMask(answered.at(-1) ?? null)
}
