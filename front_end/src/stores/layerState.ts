import type { Annotation, LayerAnswer, ObjectClass } from 'src/types/annotation'

/** What the page knows of a raster's layer. Every change gives a new one. */
export interface LayerState {
  /** Up to this revision everything is known. */
  revision: number
  classes: readonly ObjectClass[]
  /** In the order of their ids. */
  objects: readonly Annotation[]
  undo: string | null
  redo: string | null
}

export const EMPTY_LAYER: LayerState = {
  revision: 0,
  classes: [],
  objects: [],
  undo: null,
  redo: null,
}

function mergeObjects(
  before: readonly Annotation[],
  { objects, removed }: LayerAnswer,
): readonly Annotation[] {
  if (objects.length === 0 && removed.length === 0) return before
  const byId = new Map(before.map((item) => [item.properties.id, item]))
  for (const id of removed) byId.delete(id)
  for (const item of objects) byId.set(item.properties.id, item)
  return [...byId.values()].sort((one, other) => one.properties.id - other.properties.id)
}

/** The table as it was where nothing in it has changed, so that nothing is drawn again. */
function mergeClasses(
  before: readonly ObjectClass[],
  { classes }: LayerAnswer,
): readonly ObjectClass[] {
  return JSON.stringify(before) === JSON.stringify(classes) ? before : classes
}

/** Takes over what an answer to a change says. What others changed before it is not in it, and stays unknown. */
export function patchLayer(layer: LayerState, answer: LayerAnswer): LayerState {
  const isNext = answer.since <= layer.revision
  return {
    revision: isNext ? Math.max(layer.revision, answer.revision) : layer.revision,
    classes: mergeClasses(layer.classes, answer),
    objects: mergeObjects(layer.objects, answer),
    undo: answer.undo,
    redo: answer.redo,
  }
}

/** Takes over the answer to "what has changed since `layer.revision`?", after which everything is known. */
export function completeLayer(layer: LayerState, answer: LayerAnswer): LayerState {
  const before = answer.since === 0 ? { ...layer, objects: [] } : layer
  return { ...patchLayer(before, answer), revision: answer.revision }
}

/** Whether an answer shows that there are changes by others that the page has not seen. */
export function hasGap(layer: LayerState, answer: LayerAnswer): boolean {
  return answer.revision > layer.revision
}
