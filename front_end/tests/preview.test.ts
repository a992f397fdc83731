import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { HoverPointer } from 'src/map/hoverPointer'
import { usePreviewStore } from 'src/stores/preview'
import { usePromptsStore } from 'src/stores/prompts'
import { useRastersStore } from 'src/stores/rasters'
import { useSegmentationStore } from 'src/stores/segmentation'
import type { RasterMeta, TileJson } from 'src/types/raster'
import type { Checkpoint } from 'src/types/segmentation'

const GEOMETRY = { type: 'Polygon', coordinates: [[[0, 0], [2, 0], [2, 2], [0, 0]]] } // prettier-ignore
const MASK = { id: 'm', predicted_iou: 0.9, area_px: 4, area_m2: null, feature: { geometry: GEOMETRY } } // prettier-ignore

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('a resting mouse', () => {
  const viewport = document.createElement('div')
  const onRest = vi.fn()
  const onMove = vi.fn()
  const map = {
    getViewport: () => viewport,
    getEventCoordinate: (event: PointerEvent) => [event.clientX, event.clientY],
  }
  let pointer: HoverPointer

  function move(x: number, y: number, facts: PointerEventInit = {}): void {
    const init = { pointerType: 'mouse', clientX: x, clientY: y, ...facts }
    viewport.dispatchEvent(new PointerEvent('pointermove', init))
  }

  beforeEach(() => {
    vi.useFakeTimers()
    onRest.mockClear()
    onMove.mockClear()
    pointer = new HoverPointer(map as never, { onRest, onMove })
    pointer.start()
  })
  afterEach(() => pointer.stop())

  it('is told of once it has been still, for the last place alone', () => {
    move(10, 10)
    vi.advanceTimersByTime(100)
    move(50, 10)
    vi.advanceTimersByTime(100)
    expect(onRest).not.toHaveBeenCalled()
    vi.advanceTimersByTime(100)
    move(52, 11) // a trembling hand
    vi.advanceTimersByTime(1000)
    expect(onRest.mock.calls).toEqual([[[50, 10]]])
  })

  it('is forgotten when it presses, zooms, leaves, or means something else', () => {
    const ends: (() => void)[] = [
      () => viewport.dispatchEvent(new PointerEvent('pointerdown')),
      () => viewport.dispatchEvent(new PointerEvent('pointerleave')),
      () => viewport.dispatchEvent(new WheelEvent('wheel')),
      () => move(12, 10, { buttons: 1 }),
      () => move(12, 10, { shiftKey: true }),
      () => pointer.stop(),
    ]
    for (const end of ends) {
      move(10, 10)
      end()
      vi.advanceTimersByTime(1000)
      expect(onMove).toHaveBeenLastCalledWith(null)
    }
    expect(onRest).not.toHaveBeenCalled()
  })

  it('is no finger', () => {
    move(10, 10, { pointerType: 'touch' })
    vi.advanceTimersByTime(1000)
    expect(onRest).not.toHaveBeenCalled()
  })
})

describe('the preview', () => {
  const bodies: Record<string, unknown>[] = []
  let answers: ((response: Response) => void)[]
  let signals: AbortSignal[]

  function fetchFake(_path: string, { body, signal }: RequestInit): Promise<Response> {
    bodies.push(JSON.parse(String(body)))
    signals.push(signal!)
    return new Promise((resolve, reject) => {
      answers.push(resolve)
      signal!.addEventListener('abort', () => reject(new DOMException('', 'AbortError')))
    })
  }

  function answer(index: number, masks: object[] = [MASK]): void {
    answers[index]!(new Response(JSON.stringify({ masks })))
  }

  beforeEach(() => {
    localStorage.clear()
    setActivePinia(createPinia())
    bodies.length = 0
    answers = []
    signals = []
    vi.stubGlobal('fetch', fetchFake)
    useRastersStore().tileJson = { space: 'map' } as TileJson
    useRastersStore().meta = { raster: 'a.tif', width: 100, height: 80 } as RasterMeta
    const checkpoints = [
      { name: 'tiny', embedded: true },
      { name: 'huge', embedded: false },
    ]
    useSegmentationStore().checkpoints = checkpoints as Checkpoint[]
    useSegmentationStore().checkpoint = 'tiny'
  })

  it('is on by itself with the embedded checkpoint only, and as the user said ever after', () => {
    const preview = usePreviewStore()
    expect(preview.isOn).toBe(true)
    useSegmentationStore().checkpoint = 'huge'
    expect(preview.isOn).toBe(false)
    preview.toggle()
    setActivePinia(createPinia())
    expect(usePreviewStore().isOn).toBe(true)
  })

  it('shows what a click would take, and goes with the mouse', async () => {
    const preview = usePreviewStore()
    usePromptsStore().isActive = true
    const rested = preview.rest([3, 4])
    answer(0)
    await rested
    expect(preview.geometry).toEqual(GEOMETRY)
    const asked = { points: [[3, 4, 1]], previous: null, keep: false, space: 'pixel' }
    expect(bodies[0]).toMatchObject(asked)
    preview.leave()
    expect(preview.geometry).toBeNull()
  })

  it('lets the server look ahead without showing anything, and only while it watches', async () => {
    const preview = usePreviewStore()
    await preview.lookAhead([3, 4])
    expect(bodies).toEqual([])
    usePromptsStore().isActive = true
    const looked = preview.lookAhead([3, 4])
    answer(0)
    await looked
    expect(bodies[0]).toMatchObject({ points: [[3, 4, 1]], keep: false })
    expect(preview.geometry).toBeNull()
    const failed = preview.lookAhead([5, 4])
    answers[1]!(new Response('{}', { status: 503 }))
    await expect(failed).resolves.toBeUndefined()
  })

  it('asks one thing at a time', async () => {
    const preview = usePreviewStore()
    usePromptsStore().isActive = true
    const first = preview.rest([3, 4])
    const second = preview.rest([9, 9])
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    answer(1, [])
    await Promise.all([first, second])
    expect(preview.geometry).toBeNull()
  })

  it('leaves an object that is being outlined alone', async () => {
    const preview = usePreviewStore()
    const prompts = usePromptsStore()
    prompts.isActive = true
    void preview.rest([3, 4])
    prompts.addPoint({ x: 1, y: 2, isInside: true })
    expect(signals[0]?.aborted).toBe(true)
    await preview.rest([5, 5])
    expect(bodies.filter(({ points }) => (points as number[][])[0]?.[0] === 5)).toEqual([])
  })
})
