import { defineStore } from 'pinia'
import { computed } from 'vue'

import { changeLayer } from 'src/api/annotations'
import { classColor, createClass } from 'src/composables/classColor'
import type { LayerAnswer, ObjectClass } from 'src/types/annotation'

import { useAnnotationsStore } from './annotations'
import { useLayerStore } from './layer'

/** The classes of the current raster: their names, their colours, and how many objects each has. */
export const useClassTableStore = defineStore('classTable', () => {
  const annotations = useAnnotationsStore()
  const layer = useLayerStore()
  const rows = computed(() => layer.classes)
  /** Objects per class name; null stands for those without a class. */
  const counts = computed(() => {
    const byName = new Map<string | null, number>()
    for (const { properties } of layer.objects) {
      byName.set(properties.class, (byName.get(properties.class) ?? 0) + 1)
    }
    return byName
  })

  function replace(change: (rows: readonly ObjectClass[]) => ObjectClass[]) {
    return layer.submit((raster) =>
      changeLayer(raster, { classes: change(layer.classes), since: layer.revision }),
    )
  }

  /** Whether a class may be called so: names are unique. */
  function isFree(name: string): boolean {
    return name.trim() !== '' && rows.value.every((row) => row.name !== name.trim())
  }

  async function add(name: string): Promise<void> {
    if (!isFree(name)) return
    await replace((before) => {
      const row = createClass(name.trim(), before)
      return row === null ? [...before] : [...before, row]
    })
  }

  /** Renames or recolours a class; its objects follow. */
  async function change(id: number, facts: Partial<Omit<ObjectClass, 'id'>>): Promise<void> {
    const before = rows.value.find((row) => row.id === id)
    const answer = await replace((table) =>
      table.map((row) => (row.id === id ? { ...row, ...facts } : row)),
    )
    const isNext = before !== undefined && annotations.className === before.name
    if (answer !== null && isNext && facts.name) annotations.className = facts.name
  }

  /** Removes a class; its objects stay, without a class. */
  function remove(id: number): Promise<LayerAnswer | null> {
    return replace((before) => before.filter((row) => row.id !== id))
  }

  return {
    rows,
    counts,
    isFree,
    add,
    change,
    remove,
    colorOf: (name: string | null) => classColor(name, rows.value),
  }
})
