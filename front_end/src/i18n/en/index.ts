import annotations from './annotations'
import map from './map'
import prompts from './prompts'
import rasters from './rasters'
import result from './result'
import segmentation from './segmentation'
import shell from './shell'

/** All texts of the page; the other languages have to hold the same keys. */
export default {
  ...shell,
  ...rasters,
  ...map,
  ...segmentation,
  ...prompts,
  ...annotations,
  ...result,
}
