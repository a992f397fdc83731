import { Dialog, Quasar } from 'quasar'
import iconSet from 'quasar/icon-set/svg-material-icons'
import type { App } from 'vue'

/** Icons are SVG paths in the bundle: no web font, nothing from another host. */
export function installQuasar(app: App): void {
  app.use(Quasar, {
    plugins: { Dialog },
    iconSet,
    config: {
      brand: {
        primary: '#0f6b6b',
        secondary: '#12343b',
        accent: '#c4652f',
        positive: '#2b7a4b',
        negative: '#b3261e',
        warning: '#8a5a00',
        info: '#2f6690',
      },
    },
  })
}
