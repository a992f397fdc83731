import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'

import { listCheckpoints, readSegmentParameters } from 'src/api/segmentation'
import type { LoadState } from 'src/types/load'
import type {
  Checkpoint,
  ParameterValues,
  PresetName,
  SegmentMode,
  SegmentParameter,
  SegmentParameters,
  SegmentRequest,
} from 'src/types/segmentation'

import { useNoticesStore } from './notices'
import { readStored, writeStored } from './storage'

const STORAGE_KEY = 'rs.segmentation'
/** From quick to thorough; a JSON object keeps no order. */
const PRESET_ORDER: PresetName[] = ['fast', 'standard', 'fine']

/** What of the parameters counts where nothing is clicked. */
const CLASS_PARAMETERS = ['min_mask_region_area']

interface Stored {
  checkpoint: string | null
  mode: SegmentMode
  values: ParameterValues
  fullCover: boolean
}

/** Who chooses a checkpoint for a class most likely wants that class. */
const INITIAL: Stored = { checkpoint: null, mode: 'class', values: {}, fullCover: false }

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

/** The choices for the next run: checkpoint, mode and parameters, with the bounds that the server states. */
export const useSegmentationStore = defineStore('segmentation', () => {
  const notices = useNoticesStore()
  const state = ref<LoadState>('idle')
  const checkpoints = ref<Checkpoint[]>([])
  const specification = shallowRef<SegmentParameters | null>(null)
  const checkpoint = ref<string | null>(null)
  const wantedMode = ref<SegmentMode>('class')
  const values = ref<ParameterValues>({})
  const fullCover = ref(false)
  const parameters = computed(() => specification.value?.parameters ?? [])

  /** What the chosen checkpoint can find without prompts; null where it was not fine-tuned for a class. */
  const className = computed(
    () => checkpoints.value.find((item) => item.name === checkpoint.value)?.class_name ?? null,
  )
  const mode = computed<SegmentMode>({
    get: () => (className.value === null ? 'everything' : wantedMode.value),
    set: (wanted) => {
      wantedMode.value = wanted
    },
  })
  /** The class that the next run looks for; null for all objects. */
  const wantedClass = computed(() => (mode.value === 'class' ? className.value : null))
  const usedParameters = computed(() =>
    wantedClass.value === null
      ? parameters.value
      : parameters.value.filter((item) => CLASS_PARAMETERS.includes(item.name)),
  )

  /** The part of a request that this store knows; what means nothing in the mode is left out. */
  function describeRun(): Pick<
    SegmentRequest,
    'checkpoint' | 'mode' | 'full_cover' | 'parameters'
  > {
    const isClass = wantedClass.value !== null
    return {
      checkpoint: checkpoint.value ?? undefined,
      mode: isClass ? 'class' : undefined,
      full_cover: (!isClass && fullCover.value) || undefined,
      parameters: Object.fromEntries(
        usedParameters.value.map(({ name }) => [name, values.value[name]!]),
      ),
    }
  }

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
    values.value = { ...values.value, ...mergeValues(usedParameters.value, {}) }
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
      wantedMode.value = stored.mode === 'everything' ? 'everything' : 'class'
      chooseCheckpoint(stored.checkpoint)
      state.value = 'ready'
    } catch (error) {
      state.value = 'failed'
      notices.report(error)
    }
  }

  watch(
    [checkpoint, wantedMode, values, fullCover],
    () => {
      if (state.value !== 'ready') return
      const choices: Stored = {
        checkpoint: checkpoint.value,
        mode: wantedMode.value,
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
    className,
    mode,
    wantedClass,
    parameters,
    usedParameters,
    values,
    fullCover,
    preset,
    presetNames,
    load,
    usePreset,
    reset,
    describeRun,
  }
})
