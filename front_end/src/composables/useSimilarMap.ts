import { watchEffect, type ShallowRef } from 'vue'

import type { RasterMap } from 'src/map/rasterMap'
import { useSimilarStore } from 'src/stores/similar'

/** Keeps the proposed objects on the map in step with the search. */
export function useSimilarMap(rasterMap: Readonly<ShallowRef<RasterMap | null>>): void {
  const similar = useSimilarStore()

  watchEffect(() => rasterMap.value?.candidates.show(similar.candidates))
  watchEffect(() => rasterMap.value?.candidates.listen(similar.isOpen ? similar.toggle : null))
}
