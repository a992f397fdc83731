import { createRouter, createWebHistory } from 'vue-router'

import MainLayout from 'src/layouts/MainLayout.vue'
import WorkspacePage from 'src/pages/WorkspacePage.vue'

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', component: MainLayout, children: [{ path: '', component: WorkspacePage }] },
    { path: '/:rest(.*)*', redirect: '/' },
  ],
})
