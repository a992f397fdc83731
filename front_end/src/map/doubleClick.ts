import DoubleClickZoom from 'ol/interaction/DoubleClickZoom'
import type OlMap from 'ol/Map'

/** Whether two quick clicks zoom in; where each click sets something they must not. */
export function zoomByDoubleClick(map: OlMap, isOn: boolean): void {
  for (const interaction of map.getInteractions().getArray()) {
    if (interaction instanceof DoubleClickZoom) interaction.setActive(isOn)
  }
}
