// Quasar reads the screen's orientation, which happy-dom does not have.
Object.defineProperty(globalThis.screen, 'orientation', {
  configurable: true,
  value: { type: 'landscape-primary', addEventListener: () => {}, removeEventListener: () => {} },
})
