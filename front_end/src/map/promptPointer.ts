import type { MapBrowserEvent } from 'ol'
import type { Coordinate } from 'ol/coordinate'
import type { EventsKey } from 'ol/events'
import type OlMap from 'ol/Map'
import { unByKey } from 'ol/Observable'

import { BoxInteraction, type Corners } from './boxInteraction'
import { zoomByDoubleClick } from './doubleClick'

export interface PromptPointerListeners {
  onPoint: (coordinate: Coordinate, isInside: boolean) => void
  onDrag: (corners: Corners | null) => void
  onBox: (corners: Corners) => void
}

const LONG_PRESS_MS = 500
/** A finger never rests quite still. */
const STILL_PX = 10

/**
 * Reads prompts from the pointer: click inside, alt-click, right click or long press outside, shift-drag a box. While
 * `boxTool` is on every drag is a box, for those who have no shift key.
 */
export class PromptPointer {
  boxTool = false
  private readonly box: BoxInteraction
  private keys: EventsKey[] = []
  private press: { x: number; y: number; timer: number } | null = null
  private wasLongPress = false
  private lastPointerType = ''

  constructor(
    private readonly map: OlMap,
    private readonly listeners: PromptPointerListeners,
  ) {
    this.box = new BoxInteraction({
      isWanted: (event) => this.boxTool || event.shiftKey,
      onDrag: listeners.onDrag,
      onBox: listeners.onBox,
    })
  }

  start(): void {
    this.stop()
    this.keys = [
      this.map.on('click', (event) => this.readClick(event as MapBrowserEvent<PointerEvent>)),
    ]
    const viewport = this.map.getViewport()
    viewport?.addEventListener('pointerdown', this.beginPress)
    viewport?.addEventListener('pointermove', this.watchPress)
    viewport?.addEventListener('pointerup', this.endPress)
    viewport?.addEventListener('pointercancel', this.endPress)
    viewport?.addEventListener('contextmenu', this.readContextMenu)
    this.map.addInteraction(this.box)
    zoomByDoubleClick(this.map, false)
  }

  stop(): void {
    unByKey(this.keys)
    this.keys = []
    this.endPress()
    const viewport = this.map.getViewport()
    viewport?.removeEventListener('pointerdown', this.beginPress)
    viewport?.removeEventListener('pointermove', this.watchPress)
    viewport?.removeEventListener('pointerup', this.endPress)
    viewport?.removeEventListener('pointercancel', this.endPress)
    viewport?.removeEventListener('contextmenu', this.readContextMenu)
    this.map.removeInteraction(this.box)
    zoomByDoubleClick(this.map, true)
  }

  private readClick(event: MapBrowserEvent<PointerEvent>): void {
    const { altKey, button, ctrlKey } = event.originalEvent
    const isRead = this.wasLongPress
    this.wasLongPress = false
    // With Ctrl a Mac asks for the menu, which is read as a right click.
    if (!isRead && button === 0 && !ctrlKey) this.listeners.onPoint(event.coordinate, !altKey)
  }

  /** On a touch screen the menu belongs to a long press, which has been read already. */
  private readonly readContextMenu = (event: MouseEvent): void => {
    event.preventDefault()
    if (this.lastPointerType === 'mouse') {
      this.listeners.onPoint(this.map.getEventCoordinate(event), false)
    }
  }

  private readonly beginPress = (event: PointerEvent): void => {
    this.endPress()
    this.lastPointerType = event.pointerType
    this.wasLongPress = false
    // A second finger means zooming; with the box tool a finger that rests is about to draw.
    if (event.pointerType === 'mouse' || !event.isPrimary || this.boxTool) return
    const timer = window.setTimeout(() => {
      this.wasLongPress = true
      this.listeners.onPoint(this.map.getEventCoordinate(event), false)
    }, LONG_PRESS_MS)
    this.press = { x: event.clientX, y: event.clientY, timer }
  }

  private readonly watchPress = (event: PointerEvent): void => {
    if (this.press === null) return
    const { x, y } = this.press
    if (Math.hypot(event.clientX - x, event.clientY - y) > STILL_PX) this.endPress()
  }

  private readonly endPress = (): void => {
    if (this.press !== null) clearTimeout(this.press.timer)
    this.press = null
  }
}
