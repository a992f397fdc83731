import { createPinia } from 'pinia'
import { createApp } from 'vue'

import 'quasar/dist/quasar.css'
import 'src/css/app.css'

import App from './App.vue'
import { installQuasar } from './boot/quasar'
import { i18n } from './i18n'
import { router } from './router'

const app = createApp(App)
app.use(createPinia())
app.use(i18n)
app.use(router)
installQuasar(app)
app.mount('#app')
