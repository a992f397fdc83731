import type { MapBrowserEvent } from 'ol'
import type { Coordinate } from 'ol/coordinate'
import PointerInteraction from 'ol/interaction/Pointer'

/** Both corners of a drag, in map coordinates. */
export type Corners = [Coordinate, Coordinate]

export interface BoxListeners {
  /** Whether a press begins a box; otherwise it is left to the map. */
  isWanted: (event: PointerEvent) => boolean
  /** The corners while the pointer moves; null when the drag has ended. */
  onDrag: (corners: Corners | null) => void
  onBox: (corners: Corners) => void
}

/** Shorter drags are clicks with a trembling hand. */
const MIN_SIDE_PX = 4

/** Tells of boxes dragged over the map. What shape they have there is for the listener to show. */
export class BoxInteraction extends PointerInteraction {
  private start: { coordinate: Coordinate; pixel: number[] } | null = null

  constructor(private readonly listeners: BoxListeners) {
    super()
  }

  override handleDownEvent(event: MapBrowserEvent<PointerEvent>): boolean {
    const { originalEvent } = event
    const isPrimary = originalEvent.button === 0 && this.targetPointers.length === 1
    if (!isPrimary || !this.listeners.isWanted(originalEvent)) return false
    this.start = { coordinate: event.coordinate, pixel: event.pixel }
    return true
  }

  override handleDragEvent(event: MapBrowserEvent<PointerEvent>): void {
    // A second finger means zooming.
    if (this.targetPointers.length > 1) this.start = null
    this.listeners.onDrag(this.start && [this.start.coordinate, event.coordinate])
  }

  override handleUpEvent(event: MapBrowserEvent<PointerEvent>): boolean {
    const { start } = this
    this.start = null
    this.listeners.onDrag(null)
    if (start === null) return false
    const [x = 0, y = 0] = start.pixel
    const [lastX = 0, lastY = 0] = event.pixel
    const side = Math.min(Math.abs(lastX - x), Math.abs(lastY - y))
    if (side >= MIN_SIDE_PX) this.listeners.onBox([start.coordinate, event.coordinate])
    return false
  }
}
