import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'

import type { ClassifyRequest, ExamplePoint } from 'src/types/vocabulary'

import { useLayerStore } from './layer'
import { usePromptsStore } from './prompts'
import { useRastersStore } from './rasters'
import { readStored, writeStored } from './storage'
import { useVocabularyStore } from './vocabulary'

const STORAGE_KEY = 'rs.examples'
/** Examples of older rasters are forgotten beyond this many, to keep the storage small. */
const MAX_REMEMBERED = 20

interface Examples {
  /** In the order of the clicks. */
  points: ExamplePoint[]
  /** Classes that take their objects in the annotation layer. */
  fromLayer: number[]
}

const NONE: Examples = { points: [], fromLayer: [] }

/** Where the classes are on the current raster, as the user has shown: by clicks and by accepted objects. */
export const useExamplesStore = defineStore('examples', () => {
  const layer = useLayerStore()
  const prompts = usePromptsStore()
  const rasters = useRastersStore()
  const vocabulary = useVocabularyStore()
  const remembered = ref(readStored<Record<string, Examples>>(STORAGE_KEY, {}))
  /** The class that the next click shows; null while clicks mean something else. */
  const activeKey = ref<number | null>(null)

  /** Pixels and degrees must not be taken for each other where a raster has got a place on Earth since. */
  const place = computed(() => `${prompts.space} ${rasters.meta?.raster ?? ''}`)
  const current = computed(() => remembered.value[place.value] ?? NONE)
  const points = computed(() => {
    const colors = new Map(vocabulary.classes.map(({ key, color }) => [key, color]))
    return current.value.points.flatMap((point) => {
      const color = colors.get(point.key)
      return color === undefined ? [] : [{ ...point, color }]
    })
  })
  const isActive = computed(() => activeKey.value !== null)

  function set(next: Partial<Examples>): void {
    const others = Object.entries(remembered.value).filter(([name]) => name !== place.value)
    const kept = others.slice(-(MAX_REMEMBERED - 1))
    remembered.value = Object.fromEntries([...kept, [place.value, { ...current.value, ...next }]])
  }

  function countPoints(key: number): number {
    return current.value.points.filter((point) => point.key === key).length
  }

  /** Objects of the annotation layer that are called like a class. */
  function countObjects(key: number): number {
    const name = vocabulary.classes.find((item) => item.key === key)?.name
    return layer.objects.filter((item) => item.properties.class === name).length
  }

  function takesObjects(key: number): boolean {
    return current.value.fromLayer.includes(key) && countObjects(key) > 0
  }

  function toggleObjects(key: number): void {
    const { fromLayer } = current.value
    const isTaken = fromLayer.includes(key)
    set({ fromLayer: isTaken ? fromLayer.filter((other) => other !== key) : [...fromLayer, key] })
  }

  /** Takes up the pointer for a class, or lays it down where it shows that class already. */
  function toggle(key: number): void {
    activeKey.value = activeKey.value === key ? null : key
  }

  function addPoint(x: number, y: number): void {
    if (activeKey.value === null) return
    set({ points: [...current.value.points, { key: activeKey.value, x, y }] })
  }

  /** Takes back the last click. */
  function undo(): void {
    set({ points: current.value.points.slice(0, -1) })
  }

  /** Forgets the clicks, of one class or all. */
  function clear(key: number | null = null): void {
    const { points: known } = current.value
    set({ points: key === null ? [] : known.filter((point) => point.key !== key) })
  }

  /** Classes that nothing shows yet. */
  const missing = computed(() =>
    vocabulary.classes.filter(({ key }) => countPoints(key) === 0 && !takesObjects(key)),
  )

  function describeExamples(): NonNullable<ClassifyRequest['examples']> {
    return vocabulary.classes.map(({ key, name }) => ({
      class: name,
      points: current.value.points
        .filter((point) => point.key === key)
        .map(({ x, y }): [number, number] => [x, y]),
      annotations: takesObjects(key),
    }))
  }

  watch(remembered, (value) => writeStored(STORAGE_KEY, value))
  watch(
    () => vocabulary.classes.map(({ key }) => key),
    (keys) => {
      if (activeKey.value !== null && !keys.includes(activeKey.value)) activeKey.value = null
      const isKnown = ({ key }: ExamplePoint): boolean => keys.includes(key)
      if (!current.value.points.every(isKnown)) {
        set({
          points: current.value.points.filter(isKnown),
          fromLayer: current.value.fromLayer.filter((key) => keys.includes(key)),
        })
      }
    },
    { flush: 'sync' },
  )
  watch(
    () => rasters.meta,
    () => (activeKey.value = null),
    { flush: 'sync' },
  )

  return {
    activeKey,
    isActive,
    points,
    missing,
    countPoints,
    countObjects,
    takesObjects,
    toggleObjects,
    toggle,
    addPoint,
    undo,
    clear,
    describeExamples,
  }
})
