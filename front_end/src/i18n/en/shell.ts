export default {
  product: 'Segment Anything in Remote Sensing Images',
  productShort: 'Segment Anything RS',
  language: 'Language',
  panel: {
    open: 'Show or hide the side panel',
    map: 'Map',
    raster: 'Raster',
    segment: 'Segment',
    classes: 'Classes',
    objects: 'Objects',
    result: 'Result',
  },
  errors: {
    dismiss: 'Dismiss',
    unreachable:
      'The server does not answer. Check the connection; the page keeps trying where it can.',
    unexpectedReply: 'The server sent an unexpected reply ({detail}). Try again in a moment.',
    storageFull:
      'The storage of this browser is full or closed: an object that could not be sent is lost. Check the connection, then outline it again.',
    conflict:
      'Another tab has changed this meanwhile. The page now shows the latest; look at it, then do your change again.',
    bug: 'The page met an unexpected problem: {detail}',
  },
}
