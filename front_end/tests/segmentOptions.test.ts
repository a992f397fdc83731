import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { Quasar } from 'quasar'
import { beforeEach, describe, expect, it } from 'vitest'

import ResultPanel from 'src/components/export/ResultPanel.vue'
import FullCoverToggle from 'src/components/segmentation/FullCoverToggle.vue'
import ResolutionField from 'src/components/segmentation/ResolutionField.vue'
import RunStep from 'src/components/segmentation/RunStep.vue'
import SegmentationStepper from 'src/components/segmentation/SegmentationStepper.vue'
import { ownResolution } from 'src/composables/groundResolution'
import { i18n } from 'src/i18n'
import { useNoticesStore } from 'src/stores/notices'
import { useRastersStore } from 'src/stores/rasters'
import { useSegmentationStore } from 'src/stores/segmentation'
import { useViewStore } from 'src/stores/view'
import { ApiError } from 'src/types/error'
import type { RasterMeta, RasterSummary, SegmentationResult } from 'src/types/raster'

const global = { plugins: [Quasar, i18n] as [typeof Quasar, typeof i18n] }

/** UTM with pixels of 0.4 m by 0.9 m, as large as squares of 0.6 m. */
const UTM = {
  raster: 'a.tif',
  georeferenced: true,
  x_resolution: 0.4,
  y_resolution: 0.9,
  unit: 'metre',
  crs: { epsg: 32650, wkt: '', name: '' },
} as RasterMeta
const DEGREES = { ...UTM, unit: 'degree', crs: { epsg: 4326, wkt: '', name: '' } }
const WEB_MERCATOR = { ...UTM, crs: { epsg: 3857, wkt: '', name: '' } }
const PLAIN = { ...UTM, georeferenced: false, crs: null, unit: null }

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
  i18n.global.locale.value = 'en'
})

describe('ownResolution', () => {
  it('is the side of a square as large as a pixel', () => {
    expect(ownResolution(UTM)).toBeCloseTo(0.6)
    expect(ownResolution({ ...UTM, unit: 'Meter' })).toBeCloseTo(0.6)
  })

  it('is told only in metres on the ground', () => {
    for (const meta of [DEGREES, WEB_MERCATOR, PLAIN, { ...UTM, unit: 'US survey foot' }]) {
      expect(ownResolution(meta)).toBeNull()
    }
    expect(ownResolution({ ...UTM, x_resolution: null, y_resolution: null })).toBeNull()
  })
})

describe('ResolutionField', () => {
  const mountFor = (raster: RasterMeta) => mount(ResolutionField, { global, props: { raster } })

  it("starts at the raster's own resolution and goes back to none", async () => {
    const wrapper = mountFor(UTM)
    expect(wrapper.get('[data-test=own-resolution]').text()).toContain('0.6 m')
    expect(wrapper.find('input[type=number]').exists()).toBe(false)
    await wrapper.get('[data-test=use-resolution]').trigger('click')
    expect(useViewStore().settings.resolutionM).toBeCloseTo(0.6)
    expect(wrapper.get<HTMLInputElement>('input[type=number]').element.value).toBe('0.6')
    await wrapper.get('[data-test=use-resolution]').trigger('click')
    expect(useViewStore().settings.resolutionM).toBeNull()
  })

  it('names no resolution that is not known', async () => {
    const wrapper = mountFor(DEGREES)
    expect(wrapper.find('[data-test=own-resolution]').exists()).toBe(false)
    await wrapper.get('[data-test=use-resolution]').trigger('click')
    expect(useViewStore().settings.resolutionM).toBe(1)
  })

  it('keeps what is typed within what the server accepts', async () => {
    useViewStore().settings.resolutionM = 2
    const input = mountFor(UTM).get('input[type=number]')
    for (const [typed, accepted] of [
      ['0', 0.001],
      ['20000', 10_000],
      ['2.75', 2.75],
    ] as const) {
      await input.setValue(typed)
      await input.trigger('change')
      expect(useViewStore().settings.resolutionM).toBe(accepted)
    }
  })

  it('carries the error that names it', async () => {
    const wrapper = mountFor(UTM)
    useNoticesStore().report(new ApiError('Too fine.', 'bad_parameter', 'resolution_m'))
    await wrapper.vm.$nextTick()
    expect(wrapper.text()).toContain('Too fine.')
  })
})

describe('FullCoverToggle', () => {
  it('switches the choice and carries the error that names it', async () => {
    const wrapper = mount(FullCoverToggle, { global })
    await wrapper.get('[data-test=full-cover]').trigger('click')
    expect(useSegmentationStore().fullCover).toBe(true)
    useNoticesStore().report(new ApiError('Not here.', 'bad_parameter', 'full_cover'))
    await wrapper.vm.$nextTick()
    expect(wrapper.text()).toContain('Not here.')
  })

  it('ignores errors of other fields', async () => {
    const wrapper = mount(FullCoverToggle, { global })
    useNoticesStore().report(new ApiError('Not here.', 'bad_parameter', 'resolution_m'))
    await wrapper.vm.$nextTick()
    expect(wrapper.text()).not.toContain('Not here.')
  })
})

describe('the area step', () => {
  it.each([
    ['with', UTM, true],
    ['without', PLAIN, false],
  ])('%s georeferencing', async (_name, raster, offersMetres) => {
    const wrapper = mount(SegmentationStepper, { global, props: { raster } })
    await wrapper.get('[data-test=step-area] .q-stepper__tab').trigger('click')
    expect(wrapper.find('[data-test=full-cover]').exists()).toBe(true)
    expect(wrapper.find('[data-test=use-resolution]').exists()).toBe(offersMetres)
  })
})

describe('the options', () => {
  function showResult(facts: Partial<SegmentationResult>): void {
    const result = { job: 'j1', n_objects: 3, out_raster: 'r.tif', checkpoint: 'tiny', ...facts }
    useRastersStore().list = [{ raster: 'a.tif', result } as RasterSummary]
    useRastersStore().selected = 'a.tif'
  }

  it('stand beside the run button once they are set', async () => {
    const wrapper = mount(RunStep, { global })
    expect(wrapper.get('[data-test=run-summary]').text()).toBe('Bands 1-2-3')
    useSegmentationStore().fullCover = true
    useViewStore().settings.resolutionM = 2.5
    await wrapper.vm.$nextTick()
    expect(wrapper.get('[data-test=run-summary]').text()).toBe(
      'Bands 1-2-3 · every pixel labelled · seen at 2.5 m per pixel',
    )
  })

  it('stand with the result that they made', () => {
    showResult({ full_cover: true, resolution_m: 2.5 })
    expect(mount(ResultPanel, { global }).get('[data-test=result-options]').text()).toBe(
      'every pixel labelled · seen at 2.5 m per pixel',
    )
  })

  it('are not mentioned where the run was an ordinary one', () => {
    for (const facts of [{}, { full_cover: false, resolution_m: null }]) {
      showResult(facts)
      expect(mount(ResultPanel, { global }).find('[data-test=result-options]').exists()).toBe(false)
    }
  })
})
