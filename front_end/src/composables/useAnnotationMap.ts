import { computed, watch, watchEffect, type ShallowRef } from 'vue'

import type { RasterMap } from 'src/map/rasterMap'
import { useAnnotationsStore } from 'src/stores/annotations'
import { useClassTableStore } from 'src/stores/classTable'
import { type EditingTool, useEditingStore } from 'src/stores/editing'
import { useLayerStore } from 'src/stores/layer'
import { usePanelStore } from 'src/stores/panel'
import { usePromptsStore } from 'src/stores/prompts'
import { useSelectionStore } from 'src/stores/selection'
import { useSimilarStore } from 'src/stores/similar'

type MapRef = Readonly<ShallowRef<RasterMap | null>>

/** Keeps the accepted objects on the map in step with the layer: shown, coloured, selected. */
function useShownObjects(rasterMap: MapRef): void {
  const annotations = useAnnotationsStore()
  const classTable = useClassTableStore()
  const editing = useEditingStore()
  const layer = useLayerStore()
  const panel = usePanelStore()
  const prompts = usePromptsStore()
  // Over a segmentation they would pass for its objects.
  const isShown = computed(
    () => prompts.isActive || editing.tool !== null || panel.tab === 'objects',
  )

  watchEffect(() => {
    const shown = rasterMap.value?.annotations.objects
    shown?.setVisible(isShown.value)
    if (isShown.value) shown?.show(layer.objects)
  })
  watchEffect(() => {
    const openId = editing.edited?.id ?? null
    const items = editing.selected.filter((item) => item.properties.id !== openId)
    rasterMap.value?.annotations.objects.hide(openId)
    rasterMap.value?.annotations.objects.showSelected(items)
  })
  watchEffect(() => {
    const colors = new Map(classTable.rows.map((row) => [row.name as string | null, row.color]))
    const none = classTable.colorOf(null)
    rasterMap.value?.annotations.objects.setColors((name) => colors.get(name) ?? none)
  })
  watch(
    () => annotations.zoomTarget,
    (target) => target?.geometry && rasterMap.value?.annotations.zoomTo(target.geometry),
  )
}

/** Gives the map what the chosen tool does with the pointer. */
function useTools(rasterMap: MapRef): void {
  const editing = useEditingStore()
  const selection = useSelectionStore()
  const similar = useSimilarStore()

  /** While proposed objects are looked through, a click is about those. */
  function pick(id: number | null, adds: boolean): void {
    if (!similar.isOpen) editing.pick(id, adds)
  }

  const begin: Record<EditingTool, (map: RasterMap) => void> = {
    select: (map) => map.annotations.listen(pick),
    draw: (map) => map.annotations.drawPolygon((geometry) => void editing.draw(geometry)),
    split: (map) => map.annotations.drawLine((line) => void editing.split(line)),
    edit: (map) => {
      const geometry = editing.only?.geometry
      if (geometry) map.annotations.edit(geometry)
    },
  }

  watch([rasterMap, () => editing.tool], ([map, tool]) => {
    if (map === null) return
    map.annotations.listen(null)
    map.annotations.stop()
    if (tool === null) return
    selection.clear()
    begin[tool](map)
  })
}

/** What the buttons and keys do to the outline that is being drawn or edited. */
export function useShapeActions(rasterMap: MapRef) {
  const editing = useEditingStore()

  /** Ends the shape: an edited one is saved, a drawn one closed where it is. */
  function finish(): void {
    const map = rasterMap.value?.annotations
    const geometry = map?.editedGeometry
    if (editing.tool === 'edit' && geometry) void editing.saveShape(geometry)
    else map?.finishDrawing()
  }

  return {
    finish,
    giveUp: editing.finish,
    undoStep: () => rasterMap.value?.annotations.undoStep(),
    removeCorner: () => rasterMap.value?.annotations.removeCorner(),
  }
}

export type ShapeActions = ReturnType<typeof useShapeActions>

export function useAnnotationMap(rasterMap: MapRef): void {
  useShownObjects(rasterMap)
  useTools(rasterMap)
}
