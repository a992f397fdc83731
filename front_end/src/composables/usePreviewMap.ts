import { watch, watchEffect, type ShallowRef } from 'vue'

import type { RasterMap } from 'src/map/rasterMap'
import { usePreviewStore } from 'src/stores/preview'

/** Keeps what a click would take on the map in step with where the mouse rests. */
export function usePreviewMap(rasterMap: Readonly<ShallowRef<RasterMap | null>>): void {
  const preview = usePreviewStore()

  watch([rasterMap, () => preview.isWatching], ([map, isWatching]) => {
    const listeners = {
      onRest: (place: [number, number]) => void preview.rest(place),
      onLeave: preview.leave,
      onSettle: (place: [number, number]) => void preview.lookAhead(place),
    }
    map?.previews.listen(isWatching ? listeners : null)
  })
  watchEffect(() => rasterMap.value?.previews.show(preview.geometry))
}
