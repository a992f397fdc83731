import { watch, watchEffect, type ShallowRef } from 'vue'
import { useI18n } from 'vue-i18n'

import type { RasterMap } from 'src/map/rasterMap'
import { useNoticesStore } from 'src/stores/notices'
import { usePanelStore } from 'src/stores/panel'
import { useViewStore } from 'src/stores/view'

/** Keeps the map in step with what is to be segmented: its window and its area of interest, drawn and shown. */
export function useZones(rasterMap: Readonly<ShallowRef<RasterMap | null>>): void {
  const { t } = useI18n()
  const notices = useNoticesStore()
  const panel = usePanelStore()
  const view = useViewStore()

  function finish(): void {
    view.drawing = null
    panel.show('segment')
  }

  function draw(map: RasterMap): void {
    if (view.drawing === 'window') {
      map.zones.drawWindow((window) => {
        if (window === null) notices.show(t('map.drawOutside'), 'outside', 'window')
        else view.settings.window = window
        finish()
      })
    } else if (view.drawing === 'area') {
      map.zones.drawArea((area) => {
        view.settings.area = area
        finish()
      })
    } else map.zones.stopDrawing()
  }

  watch([rasterMap, () => view.drawing], ([map]) => map && draw(map))
  watchEffect(() => {
    const isShown = panel.tab === 'segment'
    rasterMap.value?.zones.showWindow(isShown ? view.settings.window : null)
    rasterMap.value?.zones.showArea(isShown ? view.settings.area : null)
  })
}
