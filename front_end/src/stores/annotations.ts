import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import type { Annotation, AnnotationProperties } from 'src/types/annotation'
import type { CandidateMask } from 'src/types/prompt'

import { useNoticesStore } from './notices'
import { useRastersStore } from './rasters'
import { readStored, writeStored } from './storage'

const OBJECTS_KEY = 'rs.annotations'
const CLASS_KEY = 'rs.class'

function readObjects(key: string | null): Annotation[] {
  const stored = key === null ? [] : readStored<unknown>(key, [])
  return Array.isArray(stored) ? (stored as Annotation[]) : []
}

function emptyToNull(name: string): string | null {
  return name.trim() || null
}

/**
 * The accepted objects of the current raster, kept in this browser. Every change starts from what is stored, so that
 * two tabs add to each other's objects.
 */
export const useAnnotationsStore = defineStore('annotations', () => {
  const notices = useNoticesStore()
  const rasters = useRastersStore()
  const objects = shallowRef<Annotation[]>([])
  const selectedId = ref<number | null>(null)
  /** The object that the map is to show large; set anew for each request. */
  const zoomTarget = shallowRef<Annotation | null>(null)
  /** What the next object is called. */
  const className = ref(readStored(CLASS_KEY, ''))
  /** The object removed last, while it can still be brought back. */
  const removed = shallowRef<Annotation | null>(null)
  /** False while the browser's storage does not take the objects; they then exist on this page only. */
  const isStored = ref(true)
  const space = computed(() => rasters.tileJson?.space ?? 'pixel')
  /** Lon/lat and pixel objects of one name are kept apart: side files may give a raster a place later. */
  const key = computed(() =>
    rasters.meta === null ? null : `${OBJECTS_KEY}.${space.value}.${rasters.meta.raster}`,
  )
  const selected = computed(
    () => objects.value.find((item) => item.properties.id === selectedId.value) ?? null,
  )
  const classNames = computed(() => {
    const names = objects.value.map((item) => item.properties.class)
    return [...new Set(names)].filter((name) => name !== null).sort()
  })

  function load(): void {
    objects.value = readObjects(key.value)
    isStored.value = true
    removed.value = null
    selectedId.value = null
  }

  function change(update: (objects: Annotation[]) => Annotation[]): void {
    if (key.value === null) return
    objects.value = update(isStored.value ? readObjects(key.value) : objects.value)
    isStored.value = writeStored(key.value, objects.value)
    if (!isStored.value) notices.show('', 'storage_full', null)
  }

  /** Adds an accepted mask under the current class name. */
  function add(mask: CandidateMask, checkpoint: string | null): void {
    const facts: Omit<AnnotationProperties, 'id'> = {
      class: emptyToNull(className.value),
      area_px: mask.area_px,
      area_m2: mask.area_m2,
      predicted_iou: mask.predicted_iou,
      checkpoint,
      source: 'prompt',
      created: new Date().toISOString(),
    }
    change((before) => {
      const id = 1 + Math.max(0, ...before.map((item) => item.properties.id))
      const { geometry } = mask.feature
      return [...before, { type: 'Feature', geometry, properties: { id, ...facts } }]
    })
    removed.value = null
  }

  function remove(id: number): void {
    removed.value = objects.value.find((item) => item.properties.id === id) ?? null
    if (selectedId.value === id) selectedId.value = null
    change((before) => before.filter((item) => item.properties.id !== id))
  }

  function bringBack(): void {
    const item = removed.value
    if (item === null) return
    removed.value = null
    change((before) =>
      [...before, item].sort((one, other) => one.properties.id - other.properties.id),
    )
  }

  function removeAll(): void {
    selectedId.value = null
    removed.value = null
    change(() => [])
  }

  function setClass(id: number, name: string): void {
    change((before) =>
      before.map((item) =>
        item.properties.id === id
          ? { ...item, properties: { ...item.properties, class: emptyToNull(name) } }
          : item,
      ),
    )
  }

  /** Selects an object and moves the map to it. */
  function zoomTo(item: Annotation): void {
    selectedId.value = item.properties.id
    zoomTarget.value = { ...item }
  }

  watch(key, load, { immediate: true })
  watch(className, (name) => writeStored(CLASS_KEY, name))
  // Another tab has changed the objects.
  window.addEventListener('storage', (event) => {
    if (event.key === key.value && event.key !== null) objects.value = readObjects(key.value)
  })

  return {
    objects,
    space,
    selectedId,
    selected,
    zoomTarget,
    className,
    classNames,
    removed,
    isStored,
    add,
    remove,
    bringBack,
    removeAll,
    setClass,
    zoomTo,
  }
})
