import { getPointResolution } from 'ol/proj'
import type View from 'ol/View'

import type { RasterSpace } from './rasterSpace'
import { createScaleBar, type ScaleBar } from './scale'

/** The scale bar for the middle of the view; null before there is one. */
export function describeScale(view: View, space: RasterSpace): ScaleBar | null {
  const [resolution, centre] = [view.getResolution(), view.getCenter()]
  if (!resolution || !centre) return null
  if (space.kind === 'pixel') return createScaleBar(resolution, 'px')
  return createScaleBar(getPointResolution(view.getProjection(), resolution, centre), 'm')
}
