import { describe, expect, it } from 'vitest'

import { isSideFile, sortDroppedFiles } from 'src/composables/droppedFiles'

describe('dropped files', () => {
  it('are told apart by their whole ending, in any case', () => {
    for (const name of ['a.tfw', 'a.TFW', 'a.tif.aux.xml', 'a.ovr', 'scene_RPC.TXT', 'a.prj']) {
      expect(isSideFile(name), name).toBe(true)
    }
    for (const name of ['a.tif', 'a.jp2', 'tfw.tif', 'notes.txt', 'metadata.xml']) {
      expect(isSideFile(name), name).toBe(false)
    }
  })

  it('keep their order within each kind', () => {
    const files = ['a.tif', 'a.tfw', 'b.png', 'a.prj'].map((name) => new File(['x'], name))
    const { sideFiles, rasters } = sortDroppedFiles(files)
    expect(sideFiles.map((file) => file.name)).toEqual(['a.tfw', 'a.prj'])
    expect(rasters.map((file) => file.name)).toEqual(['a.tif', 'b.png'])
  })
})
