import { watch, watchEffect, type ShallowRef } from 'vue'

import { useMeasureText } from 'src/composables/useMeasureText'
import type { DrawActions } from 'src/composables/useToolKeys'
import type { RasterMap } from 'src/map/rasterMap'
import { useMeasuringStore } from 'src/stores/measuring'

/** Keeps what is measured in step with the map: drawn there, and the result written beside it. */
export function useMeasureMap(rasterMap: Readonly<ShallowRef<RasterMap | null>>): DrawActions {
  const measuring = useMeasuringStore()
  const { describeMain } = useMeasureText()

  watch([rasterMap, () => measuring.kind], ([map, kind]) => {
    if (map === null) return
    if (kind === null) map.measures.stop()
    else map.measures.start(kind, (measured) => (measuring.measured = measured))
  })
  watchEffect(() => {
    const { measured } = measuring
    rasterMap.value?.measures.showLabel(measured === null ? '' : describeMain(measured))
  })

  function giveUp(): void {
    if (rasterMap.value?.measures.isEmpty) measuring.use(null)
    else {
      rasterMap.value?.measures.clear()
      measuring.clear()
    }
  }

  return {
    finish: () => rasterMap.value?.measures.finish(),
    removeCorner: () => rasterMap.value?.measures.removeLastCorner(),
    giveUp,
  }
}
