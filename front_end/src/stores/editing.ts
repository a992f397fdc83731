import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { changeLayer, editObjects } from 'src/api/annotations'
import { toSeen, type Annotation, type EditOperation, type SeenObject } from 'src/types/annotation'
import type { Geometry } from 'src/types/object'

import { useAnnotationsStore } from './annotations'
import { useLayerStore } from './layer'
import { usePanelStore } from './panel'
import { usePromptsStore } from './prompts'
import { readStored, writeStored } from './storage'
import { useViewStore } from './view'

const TOLERANCE_KEY = 'rs.tolerance'
const DEFAULT_TOLERANCE_PX = 2
/** The server takes no more at once. */
const MAX_EDITED = 1000

/** What the pointer does to accepted objects. */
export type EditingTool = 'select' | 'edit' | 'split' | 'draw'

/** Which accepted objects are selected, and what is done to them. */
export const useEditingStore = defineStore('editing', () => {
  const annotations = useAnnotationsStore()
  const layer = useLayerStore()
  const panel = usePanelStore()
  const prompts = usePromptsStore()
  const view = useViewStore()
  const tool = ref<EditingTool | null>(null)
  const selectedIds = shallowRef<ReadonlySet<number>>(new Set())
  /** Whether a click adds to the selection, for those who have no Shift key. */
  const addsToSelection = ref(false)
  /** The object whose outline is being changed by hand, as it was when that began. */
  const edited = shallowRef<SeenObject | null>(null)
  /** How far reshaping may move an outline, in pixels of the raster. */
  const tolerancePx = ref(readStored(TOLERANCE_KEY, DEFAULT_TOLERANCE_PX))
  const selected = computed(() =>
    [...selectedIds.value]
      .map((id) => layer.byId.get(id))
      .filter((item): item is Annotation => item !== undefined),
  )
  const count = computed(() => selected.value.length)
  /** The one selected object; null where none or several are. */
  const only = computed(() => (count.value === 1 ? (selected.value[0] ?? null) : null))

  function findSeen(id: number): SeenObject | null {
    const item = layer.byId.get(id)
    return item === undefined ? null : toSeen(item)
  }

  function select(ids: Iterable<number>): void {
    selectedIds.value = new Set(ids)
  }

  function toggle(id: number): void {
    const others = [...selectedIds.value].filter((other) => other !== id)
    select(selectedIds.value.has(id) ? others : [...others, id])
  }

  /** What a click on an object does; null is a click beside all of them. */
  function pick(id: number | null, adds: boolean): void {
    const isAdding = adds || addsToSelection.value
    if (id === null) {
      if (!isAdding) select([])
    } else if (isAdding) toggle(id)
    else select(count.value === 1 && selectedIds.value.has(id) ? [] : [id])
  }

  function canUse(name: EditingTool): boolean {
    return (name !== 'edit' && name !== 'split') || only.value?.geometry != null
  }

  /** Takes a tool up, or lays it down. */
  function use(name: EditingTool | null): void {
    if (name !== null && !canUse(name)) return
    edited.value = name === 'edit' && only.value ? toSeen(only.value) : null
    tool.value = name
    if (name === null) return
    prompts.isActive = false
    view.drawing = null
    panel.tab = 'objects'
  }

  /** Ends drawing or editing; selecting goes on. */
  function finish(): void {
    if (tool.value !== null) tool.value = 'select'
  }

  /** Names the selected objects; without any, the next one. */
  async function chooseClass(name: string | null): Promise<void> {
    if (count.value === 0) {
      annotations.className = name ?? ''
      return
    }
    const ids = selectedIds.value
    await layer.submit((raster) => {
      // The revisions that the changes before this one gave.
      const seen = [...ids].flatMap((id) => layer.byId.get(id) ?? []).map(toSeen)
      return changeLayer(raster, { change: seen.map((item) => ({ ...item, class: name })) })
    })
    if (edited.value !== null) edited.value = findSeen(edited.value.id)
  }

  async function removeObjects(objects: Annotation[]): Promise<void> {
    const remove = objects.map(toSeen)
    if (remove.length > 0) await layer.submit((raster) => changeLayer(raster, { remove }))
  }

  /** Lets the server reckon new outlines, and selects the objects that have them. */
  async function reshape(operation: EditOperation, line?: number[][]): Promise<void> {
    const objects = selected.value.map(toSeen)
    const tolerance_px = tolerancePx.value
    const answer = await layer.submit((raster) =>
      editObjects(raster, { operation, objects, line, tolerance_px }),
    )
    if (answer !== null) select(answer.objects.map((item) => item.properties.id))
  }

  async function split(line: number[][]): Promise<void> {
    finish()
    await reshape('split', line)
  }

  /**
   * Saves an outline changed by hand. Where it is not taken it stays open; a second try then goes over what others
   * have made of the object meanwhile, and adds it where they have removed it.
   */
  async function saveShape(geometry: Geometry): Promise<void> {
    const seen = edited.value
    const answer = await (seen === null
      ? annotations.addDrawn(geometry)
      : layer.submit((raster) => changeLayer(raster, { change: [{ ...seen, geometry }] })))
    if (answer !== null) finish()
    else if (seen !== null) edited.value = findSeen(seen.id)
  }

  async function draw(geometry: Geometry): Promise<void> {
    finish()
    await annotations.addDrawn(geometry)
  }

  function reset(): void {
    select([])
    finish()
  }

  watch(
    () => layer.state,
    (state) => state === 'loading' && reset(),
    { flush: 'sync' },
  )
  watch(tool, (name) => {
    if (name !== 'edit') edited.value = null
  })
  watch(
    () => prompts.isActive || view.drawing !== null,
    (isBusy) => {
      if (!isBusy) return
      tool.value = null
      // A class chosen now is meant for the next object.
      select([])
    },
  )
  watch(
    () => panel.tab,
    (tab) => {
      // Elsewhere a click asks about the result.
      if (tab !== 'objects' && tool.value === 'select') tool.value = null
    },
  )
  watch(tolerancePx, (value) => writeStored(TOLERANCE_KEY, value))

  return {
    tool,
    selectedIds,
    selected,
    count,
    only,
    isTooMany: computed(() => count.value > MAX_EDITED),
    addsToSelection,
    edited,
    tolerancePx,
    select,
    toggle,
    pick,
    use,
    finish,
    chooseClass,
    remove: () => removeObjects(selected.value),
    removeOne: (item: Annotation) => removeObjects([item]),
    reshape,
    split,
    saveShape,
    draw,
  }
})
