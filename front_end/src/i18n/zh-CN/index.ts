import type en from '../en'

import annotations from './annotations'
import map from './map'
import prompts from './prompts'
import rasters from './rasters'
import result from './result'
import segmentation from './segmentation'
import shell from './shell'

const messages: typeof en = {
  ...shell,
  ...rasters,
  ...map,
  ...segmentation,
  ...prompts,
  ...annotations,
  ...result,
}

export default messages
