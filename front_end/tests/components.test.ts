import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { Quasar } from 'quasar'
import { beforeEach, describe, expect, it } from 'vitest'

import UploadZone from 'src/components/raster/UploadZone.vue'
import ErrorBanner from 'src/components/shell/ErrorBanner.vue'
import JobProgress from 'src/components/segmentation/JobProgress.vue'
import ParameterField from 'src/components/segmentation/ParameterField.vue'
import { i18n } from 'src/i18n'
import { useNoticesStore } from 'src/stores/notices'
import { useUploadsStore } from 'src/stores/uploads'
import { ApiError } from 'src/types/error'
import type { Job } from 'src/types/job'
import type { SegmentParameter } from 'src/types/segmentation'

const global = { plugins: [Quasar, i18n] as [typeof Quasar, typeof i18n] }

const POINTS: SegmentParameter = {
  name: 'points_per_side',
  type: 'integer',
  default: 32,
  minimum: 1,
  maximum: 128,
  description: 'Clicks along each side of a window.',
}

beforeEach(() => {
  setActivePinia(createPinia())
  i18n.global.locale.value = 'en'
})

describe('ErrorBanner', () => {
  it('shows the sentence of the server until it is dismissed', async () => {
    const wrapper = mount(ErrorBanner, { global })
    expect(wrapper.get('[role=alert]').text()).toBe('')
    useNoticesStore().report(new ApiError('Band 5 asked; this raster has 4.', 'bad_parameter'))
    await wrapper.vm.$nextTick()
    expect(wrapper.get('[data-test=error-banner]').text()).toContain(
      'Band 5 asked; this raster has 4.',
    )
    await wrapper.get('[data-test=error-dismiss]').trigger('click')
    expect(wrapper.find('[data-test=error-banner]').exists()).toBe(false)
  })
})

describe('ParameterField', () => {
  it('keeps what is typed within the bounds that the server states', async () => {
    const wrapper = mount(ParameterField, { global, props: { parameter: POINTS, modelValue: 32 } })
    for (const [typed, accepted] of [
      ['500', 128],
      ['0', 1],
      ['7.6', 8],
    ] as const) {
      await wrapper.get('input').setValue(typed)
      await wrapper.get('input').trigger('change')
      expect(wrapper.emitted('update:modelValue')?.at(-1)).toEqual([accepted])
    }
  })

  it('leaves an emptied field alone', async () => {
    const wrapper = mount(ParameterField, { global, props: { parameter: POINTS, modelValue: 32 } })
    await wrapper.get('input').setValue('')
    await wrapper.get('input').trigger('change')
    expect(wrapper.emitted('update:modelValue')).toBeUndefined()
  })

  it('describes itself in the language of the page', async () => {
    const wrapper = mount(ParameterField, { global, props: { parameter: POINTS, modelValue: 32 } })
    expect(wrapper.text()).toContain('Clicks along each side of a window.')
    i18n.global.locale.value = 'zh-CN'
    await wrapper.vm.$nextTick()
    expect(wrapper.text()).toContain('每边采样点数')
    expect(wrapper.text()).not.toContain('Clicks')
  })

  it('carries the error that names it', async () => {
    const wrapper = mount(ParameterField, { global, props: { parameter: POINTS, modelValue: 32 } })
    useNoticesStore().report(new ApiError('It is 7.', 'bad_parameter', 'points_per_side'))
    await wrapper.vm.$nextTick()
    expect(wrapper.text()).toContain('It is 7.')
  })
})

describe('JobProgress', () => {
  const job = { state: 'running', progress: 0.426, step: 'window 5 of 12', eta_s: 65, error: null }

  it('tells step, share and remaining time, and can cancel', async () => {
    const wrapper = mount(JobProgress, { global, props: { job: job as Job } })
    expect(wrapper.text()).toContain('Window 5 of 12')
    expect(wrapper.text()).toContain('42 %')
    expect(wrapper.text()).toContain('1 min 5 s left')
    await wrapper.get('[data-test=cancel-button]').trigger('click')
    expect(wrapper.emitted('cancel')).toHaveLength(1)
  })

  it('says why a job failed and offers no cancel', () => {
    const error = { error: 'checkpoint_missing', message: 'The file is damaged.', field: null }
    const failed = { ...job, state: 'failed', error } as Job
    const wrapper = mount(JobProgress, { global, props: { job: failed } })
    expect(wrapper.text()).toContain('The file is damaged.')
    expect(wrapper.find('[data-test=cancel-button]').exists()).toBe(false)
  })
})

describe('UploadZone', () => {
  it('invites, and says so while files are held over the page', async () => {
    const wrapper = mount(UploadZone, { global })
    expect(wrapper.text()).toContain('Drop a GeoTIFF here')
    expect(wrapper.text()).not.toMatch(/[{}]/)
    useUploadsStore().isDragging = true
    await wrapper.vm.$nextTick()
    expect(wrapper.text()).toContain('Drop to upload')
  })
})
