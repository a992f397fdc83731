import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { Quasar } from 'quasar'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import ResultPanel from 'src/components/export/ResultPanel.vue'
import CheckpointStep from 'src/components/segmentation/CheckpointStep.vue'
import ParametersStep from 'src/components/segmentation/ParametersStep.vue'
import RunStep from 'src/components/segmentation/RunStep.vue'
import SegmentationStepper from 'src/components/segmentation/SegmentationStepper.vue'
import { i18n } from 'src/i18n'
import { describeStep } from 'src/i18n/serverSentences'
import { useRastersStore } from 'src/stores/rasters'
import { useSegmentationStore } from 'src/stores/segmentation'
import type { RasterMeta, RasterSummary, SegmentationResult } from 'src/types/raster'

const global = { plugins: [Quasar, i18n] as [typeof Quasar, typeof i18n] }
const RASTER = { raster: 'a.tif', georeferenced: false, width: 9, height: 9 } as RasterMeta
const BOUNDS = { type: 'integer', default: 5, minimum: 0, maximum: 9999, description: 'Plain.' }
const REPLIES: Record<string, object> = {
  '/segment_parameters': {
    parameters: [
      { ...BOUNDS, name: 'points_per_side' },
      { ...BOUNDS, name: 'box_nms_thresh' },
      { ...BOUNDS, name: 'min_mask_region_area' },
    ],
    presets: { standard: {} },
  },
  '/checkpoints': [
    { name: 'tiny', available: true, embedded: true, class_name: null },
    { name: 'walks', available: true, embedded: false, class_name: 'sidewalk' },
  ],
}

/** The store as it is once a checkpoint was chosen. */
async function loadAndChoose(checkpoint: string) {
  const segmentation = useSegmentationStore()
  await segmentation.load()
  segmentation.checkpoint = checkpoint
  return segmentation
}

beforeEach(() => {
  localStorage.clear()
  setActivePinia(createPinia())
  i18n.global.locale.value = 'en'
  vi.stubGlobal('fetch', (path: string) =>
    Promise.resolve(new Response(JSON.stringify(REPLIES[path]), { status: 200 })),
  )
})
afterEach(() => vi.unstubAllGlobals())

describe('the class mode', () => {
  it('is taken with a checkpoint that has a class, and asks for what it understands only', async () => {
    const segmentation = await loadAndChoose('walks')
    segmentation.fullCover = true
    expect([segmentation.mode, segmentation.wantedClass]).toEqual(['class', 'sidewalk'])
    expect(segmentation.describeRun()).toEqual({
      checkpoint: 'walks',
      mode: 'class',
      full_cover: undefined,
      parameters: { min_mask_region_area: 5 },
    })
  })

  it('changes nothing for a checkpoint without a class', async () => {
    const segmentation = await loadAndChoose('tiny')
    segmentation.fullCover = true
    segmentation.mode = 'class'
    expect([segmentation.mode, segmentation.wantedClass]).toEqual(['everything', null])
    const request = segmentation.describeRun()
    expect(request.mode).toBeUndefined()
    expect(request.full_cover).toBe(true)
    expect(Object.keys(request.parameters)).toHaveLength(3)
  })

  it('gives way to everything, which comes back after a reload', async () => {
    const segmentation = await loadAndChoose('walks')
    segmentation.mode = 'everything'
    expect(segmentation.describeRun().mode).toBeUndefined()
    await vi.waitFor(() => expect(localStorage.getItem('rs.segmentation')).toContain('everything'))
    setActivePinia(createPinia())
    await useSegmentationStore().load()
    expect(useSegmentationStore().checkpoint).toBe('walks')
    expect(useSegmentationStore().mode).toBe('everything')
  })
})

describe('the segment panel', () => {
  it('offers the mode where the checkpoint has a class, and hides what clicks need', async () => {
    const segmentation = await loadAndChoose('tiny')
    const wrapper = mount(SegmentationStepper, { global, props: { raster: RASTER } })
    expect(wrapper.find('[data-test=mode-choice]').exists()).toBe(false)
    expect(wrapper.find('[data-test=parameter-points_per_side]').exists()).toBe(true)
    segmentation.checkpoint = 'walks'
    await wrapper.vm.$nextTick()
    expect(wrapper.get('[data-test=mode-class]').text()).toBe('Find sidewalk')
    expect(wrapper.get('[data-test=mode-class]').attributes('aria-pressed')).toBe('true')
    expect(wrapper.find('[data-test=parameter-points_per_side]').exists()).toBe(false)
    await wrapper.get('[data-test=mode-everything]').trigger('click')
    expect(wrapper.find('[data-test=parameter-points_per_side]').exists()).toBe(true)
  })

  it('hides full cover in class mode', async () => {
    await loadAndChoose('walks')
    const wrapper = mount(SegmentationStepper, { global, props: { raster: RASTER } })
    await wrapper.get('[data-test=step-area] .q-stepper__tab').trigger('click')
    expect(wrapper.find('[data-test=use-window]').exists()).toBe(true)
    expect(wrapper.find('[data-test=full-cover]').exists()).toBe(false)
  })

  it('explains the one parameter that is left by what it does here', async () => {
    const segmentation = await loadAndChoose('walks')
    const wrapper = mount(ParametersStep, { global })
    expect(wrapper.findAll('[data-test^=parameter-]')).toHaveLength(1)
    expect(wrapper.find('[data-test^=preset-]').exists()).toBe(false)
    expect(wrapper.find('[data-test=more-parameters]').exists()).toBe(false)
    expect(wrapper.text()).toContain('Areas smaller than this')
    expect(wrapper.text()).not.toContain('Plain.')
    segmentation.values = { points_per_side: 7, box_nms_thresh: 7, min_mask_region_area: 7 }
    await wrapper.get('[data-test=reset-parameters]').trigger('click')
    expect(segmentation.values).toMatchObject({ points_per_side: 7, min_mask_region_area: 5 })
    segmentation.mode = 'everything'
    await wrapper.vm.$nextTick()
    expect(wrapper.text()).toContain('Plain.')
  })

  it('speaks Chinese', async () => {
    await loadAndChoose('walks')
    i18n.global.locale.value = 'zh-CN'
    const wrapper = mount(SegmentationStepper, { global, props: { raster: RASTER } })
    expect(wrapper.get('[data-test=mode-class]').text()).toBe('仅找“sidewalk”')
    expect(describeStep('looking at 12 windows', 'zh-CN')).toBe('正在查看 12 个窗口')
    expect(describeStep('dropping small areas', 'zh-CN')).not.toMatch(/[a-z]/)
  })

  it('names the class with the checkpoint and with the run', async () => {
    const segmentation = await loadAndChoose('walks')
    segmentation.fullCover = true
    const checkpoints = mount(CheckpointStep, { global })
    expect(checkpoints.get('[data-test=checkpoint-walks]').text()).toContain('finds sidewalk')
    expect(checkpoints.get('[data-test=checkpoint-tiny]').text()).not.toContain('finds')
    const summary = mount(RunStep, { global }).get('[data-test=run-summary]')
    expect(summary.text()).toBe('Bands 1-2-3 · only sidewalk')
  })
})

describe('the result of a class', () => {
  function showResult(facts: Partial<SegmentationResult>) {
    const result = { job: 'j1', n_objects: 0, out_raster: 'r.tif', checkpoint: 'walks', ...facts }
    useRastersStore().list = [{ raster: 'a.tif', result } as RasterSummary]
    useRastersStore().selected = 'a.tif'
    return mount(ResultPanel, { global })
  }

  it('says which class, and does not speak of thresholds where there is none', () => {
    const wrapper = showResult({ class_name: 'sidewalk' })
    expect(wrapper.get('[data-test=result-options]').text()).toBe('only sidewalk')
    expect(wrapper.get('[data-test=result-empty]').text()).toBe(
      'The checkpoint found no sidewalk here.',
    )
  })

  it('of all objects is worded as before', () => {
    for (const facts of [{}, { class_name: null }]) {
      const wrapper = showResult(facts)
      expect(wrapper.find('[data-test=result-options]').exists()).toBe(false)
      expect(wrapper.get('[data-test=result-empty]').text()).toContain('thresholds')
    }
  })
})
