import type TileLayer from 'ol/layer/Tile'
import type OlMap from 'ol/Map'
import { getRenderPixel } from 'ol/render'
import type RenderEvent from 'ol/render/Event'

/**
 * Draws true pixels once the view is finer than the raster, smooth ones before that. OpenLayers' own `interpolate`
 * holds for all zoom levels at once, which makes reduced imagery rough.
 */
export function drawPixelsBeyond(layer: TileLayer, nativeResolution: () => number): void {
  layer.on('prerender', (event: RenderEvent) => {
    const context = event.context
    const resolution = event.frameState?.viewState.resolution ?? 0
    if (context instanceof CanvasRenderingContext2D) {
      context.imageSmoothingEnabled = resolution >= nativeResolution()
    }
  })
}

/** Clips a layer to the part of the map left of the swipe line; a position of null draws all of it. */
export function clipAtSwipe(layer: TileLayer, map: OlMap, position: () => number | null): void {
  let clipped = false
  layer.on('prerender', (event: RenderEvent) => {
    const share = position()
    const size = map.getSize()
    const context = event.context
    if (share === null || !size || !(context instanceof CanvasRenderingContext2D)) return
    const [width = 0, height = 0] = size
    const corners = [
      [0, 0],
      [width * share, 0],
      [width * share, height],
      [0, height],
    ].map((pixel) => getRenderPixel(event, pixel))
    context.save()
    context.beginPath()
    for (const [x = 0, y = 0] of corners) context.lineTo(x, y)
    context.closePath()
    context.clip()
    clipped = true
  })
  layer.on('postrender', (event: RenderEvent) => {
    if (clipped && event.context instanceof CanvasRenderingContext2D) event.context.restore()
    clipped = false
  })
}
