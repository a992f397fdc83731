import { describe, expect, it } from 'vitest'

import { rasterTileUrl } from 'src/api/rasters'
import { bandDetail, bandPresets, defaultBands } from 'src/composables/bandPresets'
import type { Band } from 'src/types/raster'

function bandsOf(colors: (string | null)[]): Band[] {
  return colors.map((color, position) => ({ index: position + 1, color }) as Band)
}

describe('defaultBands', () => {
  it('follows the colours that the file states', () => {
    const described = ['Blue', 'Green', 'Red', 'nir'].map(
      (description, position) => ({ index: position + 1, description, color: 'undefined' }) as Band,
    )
    expect(defaultBands(described)).toEqual({ r: 3, g: 2, b: 1 })
    expect(defaultBands(bandsOf(['blue', 'green', 'red', 'undefined']))).toEqual({
      r: 3,
      g: 2,
      b: 1,
    })
  })

  it('repeats a single band, and never shows alpha as a colour', () => {
    expect(defaultBands(bandsOf(['gray']))).toEqual({ r: 1, g: 1, b: 1 })
    expect(defaultBands(bandsOf(['gray', 'alpha']))).toEqual({ r: 1, g: 1, b: 1 })
    expect(defaultBands(bandsOf([null, 'alpha', null, null]))).toEqual({ r: 1, g: 3, b: 4 })
  })
})

describe('bandPresets', () => {
  it('offers only bands that exist', () => {
    for (const count of [1, 2, 3, 4, 8]) {
      const highest = bandPresets(count).map(({ bands }) => Math.max(bands.r, bands.g, bands.b))
      expect(Math.max(...highest)).toBeLessThanOrEqual(count)
    }
    expect(bandPresets(4).map((preset) => preset.name)).toContain('infraredBgr')
  })
})

describe('rasterTileUrl', () => {
  it('shows band r in red', () => {
    const url = rasterTileUrl('/tiles/a.tif/{z}/{x}/{y}.png', { r: 4, g: 3, b: 2 }, 'minmax', 'k1')
    expect(url).toBe('/tiles/a.tif/{z}/{x}/{y}.png?r=4&g=3&b=2&stretch=minmax&v=k1')
  })
})

describe('bandDetail', () => {
  it('prefers the description and leaves out a colour that is none', () => {
    expect(bandDetail({ description: 'nir', color: 'undefined' } as Band)).toBe('nir')
    expect(bandDetail({ description: null, color: 'red' } as Band)).toBe('red')
    expect(bandDetail({ description: null, color: 'undefined' } as Band)).toBeNull()
  })
})
