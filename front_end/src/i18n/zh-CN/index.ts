import type en from '../en'

import annotations from './annotations'
import datasets from './datasets'
import map from './map'
import prompts from './prompts'
import rasters from './rasters'
import result from './result'
import segmentation from './segmentation'
import shell from './shell'
import vocabulary from './vocabulary'

const messages: typeof en = {
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

export default messages
