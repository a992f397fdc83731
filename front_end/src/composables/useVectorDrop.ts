import { ref } from 'vue'

import { isVectorFile } from 'src/composables/droppedFiles'
import { useImportsStore } from 'src/stores/imports'
import { useUploadsStore } from 'src/stores/uploads'

/** Handlers for an element on which a file with objects may be dropped; other files are left to the page. */
export function useVectorDrop() {
  const imports = useImportsStore()
  const uploads = useUploadsStore()
  const isOver = ref(false)

  function dragover(event: DragEvent): void {
    event.preventDefault()
    isOver.value = true
  }

  function dragleave(event: DragEvent): void {
    const { currentTarget, relatedTarget } = event
    const isInside =
      relatedTarget instanceof Node && (currentTarget as Node).contains(relatedTarget)
    if (!isInside) isOver.value = false
  }

  function drop(event: DragEvent): void {
    isOver.value = false
    const file = [...(event.dataTransfer?.files ?? [])].find(({ name }) => isVectorFile(name))
    if (file === undefined) return
    event.preventDefault()
    // The page would take it for a raster.
    event.stopPropagation()
    uploads.isDragging = false
    imports.choose(file)
  }

  return { isOver, listeners: { dragover, dragleave, drop } }
}
