import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'

import { deleteRaster, listRasters, readRasterMeta, readTileJson } from 'src/api/rasters'
import type { LoadState } from 'src/types/load'
import type { RasterMeta, RasterSummary, TileJson } from 'src/types/raster'

import { useNoticesStore } from './notices'
import { readStored, writeStored } from './storage'
import { useViewStore } from './view'

const SELECTED_KEY = 'rs.raster'

/** The client's rasters and what is known about the one being looked at. */
export const useRastersStore = defineStore('rasters', () => {
  const notices = useNoticesStore()
  const view = useViewStore()
  const list = ref<RasterSummary[]>([])
  const listState = ref<LoadState>('idle')
  const selected = ref<string | null>(readStored<string | null>(SELECTED_KEY, null))
  const meta = shallowRef<RasterMeta | null>(null)
  const tileJson = shallowRef<TileJson | null>(null)
  const state = ref<LoadState>('idle')
  const summary = computed(() => list.value.find((entry) => entry.raster === selected.value))
  const result = computed(() => summary.value?.result ?? null)

  async function refresh(): Promise<void> {
    listState.value = 'loading'
    try {
      list.value = await listRasters()
      listState.value = 'ready'
    } catch (error) {
      listState.value = 'failed'
      notices.report(error)
    }
  }

  function deselect(): void {
    selected.value = null
    meta.value = null
    tileJson.value = null
    state.value = 'idle'
    writeStored(SELECTED_KEY, null)
  }

  /** Makes a raster the current one and loads its metadata; a later choice overtakes an earlier one. */
  async function select(name: string): Promise<void> {
    selected.value = name
    writeStored(SELECTED_KEY, name)
    state.value = 'loading'
    try {
      const [newMeta, newTileJson] = await Promise.all([readRasterMeta(name), readTileJson(name)])
      if (selected.value !== name) return
      view.restore(newMeta)
      tileJson.value = newTileJson
      meta.value = newMeta
      state.value = 'ready'
    } catch (error) {
      if (selected.value !== name) return
      meta.value = null
      tileJson.value = null
      state.value = 'failed'
      notices.report(error)
    }
  }

  /** Brings back the raster of the last visit, or the latest one. */
  async function restore(): Promise<void> {
    await refresh()
    if (listState.value !== 'ready') return
    const name = summary.value?.raster ?? list.value[0]?.raster
    if (name === undefined) deselect()
    else await select(name)
  }

  async function remove(name: string): Promise<void> {
    try {
      await deleteRaster(name)
      if (selected.value === name) deselect()
      await restore()
    } catch (error) {
      notices.report(error)
    }
  }

  return {
    list,
    listState,
    selected,
    meta,
    tileJson,
    state,
    summary,
    result,
    refresh,
    select,
    restore,
    remove,
  }
})
