import type { Coordinate } from 'ol/coordinate'
import type OlMap from 'ol/Map'

export interface HoverListeners {
  /** The pointer rests. */
  onRest: (coordinate: Coordinate) => void
  /** It moves on from where it rested; null: off the map, or to something else than a click. */
  onMove: (coordinate: Coordinate | null) => void
}

const REST_MS = 150
/** A hand that rests still trembles. */
const STILL_PX = 4

/** Tells where a mouse rests. A finger or pen that touches the map is no hovering. */
export class HoverPointer {
  private timer: number | undefined
  /** Where the pointer was when the rest began. */
  private place: { x: number; y: number } | null = null

  constructor(
    private readonly map: OlMap,
    private readonly listeners: HoverListeners,
  ) {}

  start(): void {
    const viewport = this.map.getViewport()
    viewport?.addEventListener('pointermove', this.readMove)
    viewport?.addEventListener('pointerdown', this.leave)
    viewport?.addEventListener('pointerleave', this.leave)
    viewport?.addEventListener('wheel', this.leave)
  }

  stop(): void {
    const viewport = this.map.getViewport()
    viewport?.removeEventListener('pointermove', this.readMove)
    viewport?.removeEventListener('pointerdown', this.leave)
    viewport?.removeEventListener('pointerleave', this.leave)
    viewport?.removeEventListener('wheel', this.leave)
    this.leave()
  }

  private readonly readMove = (event: PointerEvent): void => {
    // A pressed button drags the map, and with these keys a click means something else.
    const isHovering =
      event.pointerType === 'mouse' && event.buttons === 0 && !event.shiftKey && !event.altKey
    if (!isHovering) return this.leave()
    const { clientX: x, clientY: y } = event
    if (this.place && Math.hypot(x - this.place.x, y - this.place.y) <= STILL_PX) return
    this.place = { x, y }
    const coordinate = this.map.getEventCoordinate(event)
    this.listeners.onMove(coordinate)
    clearTimeout(this.timer)
    this.timer = window.setTimeout(() => this.listeners.onRest(coordinate), REST_MS)
  }

  private readonly leave = (): void => {
    clearTimeout(this.timer)
    this.place = null
    this.listeners.onMove(null)
  }
}
