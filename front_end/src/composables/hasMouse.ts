/** Whether a pointer can rest over the map without touching it. */
export function hasMouse(): boolean {
  return window.matchMedia('(hover: hover) and (pointer: fine)').matches
}
