import annotations from './annotations'
import datasets from './datasets'
import map from './map'
import prompts from './prompts'
import rasters from './rasters'
import result from './result'
import segmentation from './segmentation'
import shell from './shell'
import vocabulary from './vocabulary'

/** All texts of the page; the other languages have to hold the same keys. */
export default {
  ...shell,
  ...rasters,
  ...map,
  ...segmentation,
  ...prompts,
  ...annotations,
  ...vocabulary,
  ...datasets,
  ...result,
}
