import { watch, type ShallowRef } from 'vue'
import { useI18n } from 'vue-i18n'

import type { DrawActions } from 'src/composables/useToolKeys'
import type { RasterMap } from 'src/map/rasterMap'
import { useNoticesStore } from 'src/stores/notices'
import { MAX_PROMPTS, useSeriesStore } from 'src/stores/series'

/** Keeps the shape with many prompts in step with the map: drawn there, spread, shown, and removed once sent. */
export function useSeriesMap(rasterMap: Readonly<ShallowRef<RasterMap | null>>): DrawActions {
  const { t } = useI18n()
  const notices = useNoticesStore()
  const series = useSeriesStore()

  function spread(map: RasterMap): void {
    if (!series.isDrawn || series.spacing === null) return
    // One more tells that there would be too many.
    series.series = map.series.spread(series.spacing, MAX_PROMPTS + 1)
    if (series.count === 0) notices.show(t('prompts.outside'), 'outside', 'points')
  }

  function take(map: RasterMap): void {
    series.spacing ??= map.series.suggestSpacing()
    series.isDrawn = true
    spread(map)
  }

  watch([rasterMap, () => series.kind], ([map, kind]) => {
    if (map === null) return
    if (kind === null) map.series.stop()
    else map.series.draw(kind, () => take(map))
  })
  watch(
    () => series.spacing,
    () => rasterMap.value && spread(rasterMap.value),
  )
  watch(
    () => series.isDrawn,
    (isDrawn) => isDrawn || rasterMap.value?.series.clear(),
  )

  function giveUp(): void {
    if (rasterMap.value?.series.isEmpty) series.use(null)
    else {
      rasterMap.value?.series.clear()
      series.clear()
    }
  }

  /** Ends the shape that is being drawn; with none, sends the prompts of the last one. */
  function finish(): void {
    if (rasterMap.value?.series.isSketching) rasterMap.value.series.finish()
    else void series.send()
  }

  return {
    finish,
    removeCorner: () => rasterMap.value?.series.removeLastCorner(),
    giveUp,
  }
}
