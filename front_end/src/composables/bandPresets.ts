import type { Band, RgbBands } from 'src/types/raster'

export type BandPresetName = 'natural' | 'reversed' | 'infraredRgb' | 'infraredBgr' | 'grey'

export interface BandPreset {
  name: BandPresetName
  bands: RgbBands
}

/** The presets that a raster of this many bands can show. */
export function bandPresets(bandCount: number): BandPreset[] {
  const grey: BandPreset = { name: 'grey', bands: { r: 1, g: 1, b: 1 } }
  if (bandCount < 3) return [grey]
  const presets: BandPreset[] = [
    { name: 'natural', bands: { r: 1, g: 2, b: 3 } },
    { name: 'reversed', bands: { r: 3, g: 2, b: 1 } },
  ]
  if (bandCount >= 4) {
    presets.push(
      { name: 'infraredRgb', bands: { r: 4, g: 1, b: 2 } },
      { name: 'infraredBgr', bands: { r: 4, g: 3, b: 2 } },
    )
  }
  return [...presets, grey]
}

/** The bands to show first: those the file calls red, green and blue, else the first three that are no alpha. */
export function defaultBands(bands: Band[]): RgbBands {
  const byColor = (color: string) =>
    bands.find((band) =>
      [band.color, band.description].some((name) => name?.toLowerCase() === color),
    )?.index
  const [red, green, blue] = ['red', 'green', 'blue'].map(byColor)
  if (red && green && blue) return { r: red, g: green, b: blue }
  const shown = bands.filter((band) => band.color?.toLowerCase() !== 'alpha')
  const [first, second, third] = shown.map((band) => band.index)
  if (first && second && third) return { r: first, g: second, b: third }
  return { r: first ?? 1, g: first ?? 1, b: first ?? 1 }
}

/** What the file itself says a band is; null where it says nothing. */
export function bandDetail(band: Band): string | null {
  return band.description ?? (band.color === 'undefined' ? null : band.color)
}

export function sameBands(one: RgbBands, other: RgbBands): boolean {
  return one.r === other.r && one.g === other.g && one.b === other.b
}
