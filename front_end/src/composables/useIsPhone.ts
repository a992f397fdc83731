import { useQuasar } from 'quasar'
import { computed, type ComputedRef } from 'vue'

/** Below this width a panel beside the map would leave it no room. */
const PHONE_BREAKPOINT_PX = 900

/** Whether the panels stand below the map, with their tabs at the bottom, instead of beside it. */
export function useIsPhone(): ComputedRef<boolean> {
  const quasar = useQuasar()
  return computed(() => quasar.screen.width < PHONE_BREAKPOINT_PX)
}
