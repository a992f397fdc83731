import type Map from 'ol/Map'

declare global {
  interface Window {
    /** The OpenLayers map of the page, for browser tests: `window.rsMap.once('rendercomplete', …)`. */
    rsMap?: Map
  }
}
