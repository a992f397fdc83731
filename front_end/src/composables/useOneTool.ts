import { watch } from 'vue'

import { useEditingStore } from 'src/stores/editing'
import { useExamplesStore } from 'src/stores/examples'
import { useMeasuringStore } from 'src/stores/measuring'
import { usePromptsStore } from 'src/stores/prompts'
import { useSeriesStore } from 'src/stores/series'
import { useViewStore } from 'src/stores/view'

interface Tool {
  isInUse: () => boolean
  layDown: () => void
}

/** Sees to it that the pointer does one thing at a time: who takes up a tool lays down the others. */
export function useOneTool(): void {
  const editing = useEditingStore()
  const examples = useExamplesStore()
  const measuring = useMeasuringStore()
  const prompts = usePromptsStore()
  const series = useSeriesStore()
  const view = useViewStore()

  const tools: Tool[] = [
    { isInUse: () => prompts.isActive, layDown: () => (prompts.isActive = false) },
    { isInUse: () => view.drawing !== null, layDown: () => (view.drawing = null) },
    { isInUse: () => editing.tool !== null, layDown: () => editing.use(null) },
    { isInUse: () => measuring.kind !== null, layDown: () => measuring.use(null) },
    { isInUse: () => series.kind !== null, layDown: () => series.use(null) },
    { isInUse: () => examples.isActive, layDown: () => (examples.activeKey = null) },
  ]
  for (const tool of tools) {
    watch(tool.isInUse, (isInUse) => {
      if (!isInUse) return
      for (const other of tools) if (other !== tool && other.isInUse()) other.layDown()
    })
  }
}
