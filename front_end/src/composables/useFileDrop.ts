import { useUploadsStore } from 'src/stores/uploads'

/** Handlers for an element on which files may be dropped: without them the browser would leave the page. */
export function useFileDrop() {
  const uploads = useUploadsStore()

  function dragover(event: DragEvent): void {
    event.preventDefault()
    uploads.isDragging = true
  }

  function dragleave(event: DragEvent): void {
    // Moving between two elements of the page is no leaving.
    if (event.relatedTarget === null) uploads.isDragging = false
  }

  function drop(event: DragEvent): void {
    event.preventDefault()
    uploads.isDragging = false
    void uploads.upload(event.dataTransfer?.files ?? [])
  }

  return { dragover, dragleave, drop }
}
