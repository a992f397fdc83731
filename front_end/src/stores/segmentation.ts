import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { listCheckpoints, readSegmentParameters } from 'src/api/segmentation'
import type { LoadState } from 'src/types/load'
import type {
  Checkpoint,
  ParameterValues,
  PresetName,
  SegmentParameter,
  SegmentParameters,
} from 'src/types/segmentation'

import { useNoticesStore } from './notices'
import { readStored, writeStored } from './storage'

const STORAGE_KEY = 'rs.segmentation'
/** From quick to thorough; a JSON object keeps no order. */
const PRESET_ORDER: PresetName[] = ['fast', 'standard', 'fine']

interface Stored {
  checkpoint: string | null
  values: ParameterValues
  fullCover: boolean
}

const INITIAL: Stored = { checkpoint: null, values: {}, fullCover: false }

/** Keeps stored values that the server still knows and accepts; defaults for the rest. */
export function mergeValues(
  parameters: SegmentParameter[],
  stored: ParameterValues,
): ParameterValues {
  const entries = parameters.map((parameter) => {
    const value = stored[parameter.name]
    const usable =
      typeof value === 'number' && value >= parameter.minimum && value <= parameter.maximum
    return [parameter.name, usable ? value : parameter.default] as const
  })
  return Object.fromEntries(entries)
}

/** The choices for the next run: checkpoint and parameters, with the bounds that the server states. */
export const useSegmentationStore = defineStore('segmentation', () => {
  const notices = useNoticesStore()
  const state = ref<LoadState>('idle')
  const checkpoints = ref<Checkpoint[]>([])
  const specification = shallowRef<SegmentParameters | null>(null)
  const checkpoint = ref<string | null>(null)
  const values = ref<ParameterValues>({})
  const fullCover = ref(false)
  const parameters = computed(() => specification.value?.parameters ?? [])
  const presetNames = computed(() =>
    PRESET_ORDER.filter((name) => name in (specification.value?.presets ?? {})),
  )

  /** A preset gives some parameters; those it does not name take their default. */
  function presetValues(name: PresetName): ParameterValues {
    return mergeValues(parameters.value, specification.value?.presets[name] ?? {})
  }

  const preset = computed(() =>
    presetNames.value.find((name) => {
      const wanted = presetValues(name)
      return parameters.value.every((item) => wanted[item.name] === values.value[item.name])
    }),
  )

  function usePreset(name: PresetName): void {
    values.value = presetValues(name)
  }

  function reset(): void {
    values.value = mergeValues(parameters.value, {})
  }

  function chooseCheckpoint(wanted: string | null): void {
    const available = checkpoints.value.filter((item) => item.available)
    const chosen =
      available.find((item) => item.name === wanted) ??
      available.find((item) => item.embedded) ??
      available[0]
    checkpoint.value = chosen?.name ?? null
  }

  async function load(): Promise<void> {
    state.value = 'loading'
    try {
      const [newCheckpoints, newSpecification] = await Promise.all([
        listCheckpoints(),
        readSegmentParameters(),
      ])
      const stored = { ...INITIAL, ...readStored<Partial<Stored>>(STORAGE_KEY, {}) }
      checkpoints.value = newCheckpoints
      specification.value = newSpecification
      values.value = mergeValues(newSpecification.parameters, stored.values)
      fullCover.value = stored.fullCover
      chooseCheckpoint(stored.checkpoint)
      state.value = 'ready'
    } catch (error) {
      state.value = 'failed'
      notices.report(error)
    }
  }

  watch(
    [checkpoint, values, fullCover],
    () => {
      if (state.value !== 'ready') return
      const choices: Stored = {
        checkpoint: checkpoint.value,
        values: values.value,
        fullCover: fullCover.value,
      }
      writeStored(STORAGE_KEY, choices)
    },
    { deep: true },
  )

  return {
    state,
    checkpoints,
    checkpoint,
    parameters,
    values,
    fullCover,
    preset,
    presetNames,
    load,
    usePreset,
    reset,
  }
})
