import { flushPromises, mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { Quasar } from 'quasar'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import ShareResult from 'src/components/export/ShareResult.vue'
import { i18n } from 'src/i18n'
import { useNoticesStore } from 'src/stores/notices'

const global = { plugins: [Quasar, i18n] as [typeof Quasar, typeof i18n] }
const LINK = { url: '/shared/secret', expires: '2030-01-02T03:04:05Z' }

let replies: Response[]
const fetched = vi.fn(() => Promise.resolve(replies.shift()!))

function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status })
}

beforeEach(() => {
  setActivePinia(createPinia())
  i18n.global.locale.value = 'en'
  replies = []
  fetched.mockClear()
  vi.stubGlobal('fetch', fetched)
})
afterEach(() => vi.unstubAllGlobals())

async function mountShared() {
  replies.push(json(LINK, 201))
  const panel = mount(ShareResult, { props: { job: 'job-1' }, global })
  await panel.get('[data-test="share-make"]').trigger('click')
  await flushPromises()
  return panel
}

function shownUrl(panel: Awaited<ReturnType<typeof mountShared>>): string {
  return panel.get<HTMLInputElement>('[data-test="share-url"]').element.value
}

describe('sharing a result', () => {
  it('asks for a week and shows the whole address once', async () => {
    const panel = await mountShared()
    const [path, init] = fetched.mock.calls[0] as unknown as [string, RequestInit]
    expect(path).toBe('/jobs/job-1/share')
    expect(JSON.parse(init.body as string)).toEqual({ expires_in_s: 7 * 24 * 3600 })
    expect(shownUrl(panel)).toBe(`${location.origin}/shared/secret?format=gpkg`)
  })

  it('forgets the link of another result', async () => {
    const panel = await mountShared()
    await panel.setProps({ job: 'job-2' })
    expect(panel.find('[data-test="share-url"]').exists()).toBe(false)
  })

  it('withdraws all links and says how many there were', async () => {
    const panel = await mountShared()
    replies.push(json({ withdrawn: 2 }))
    await panel.get('[data-test="share-withdraw"]').trigger('click')
    await flushPromises()
    expect(fetched).toHaveBeenLastCalledWith(
      '/jobs/job-1/share',
      expect.objectContaining({ method: 'DELETE' }),
    )
    expect(panel.find('[data-test="share-url"]').exists()).toBe(false)
    expect(panel.get('[data-test="share-note"]').text()).toBe('2 links withdrawn.')
  })

  it('shows why the server refused', async () => {
    replies.push(json({ error: 'wrong_moment', message: 'Not the latest one.', field: 'job' }, 409))
    const panel = mount(ShareResult, { props: { job: 'job-1' }, global })
    await panel.get('[data-test="share-make"]').trigger('click')
    await flushPromises()
    expect(useNoticesStore().notice?.message).toBe('Not the latest one.')
    expect(panel.find('[data-test="share-url"]').exists()).toBe(false)
  })
})
