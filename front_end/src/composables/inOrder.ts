/** Returns a sender whose requests go out one after the other, so that keys may come faster than answers. */
export function makeOrder(): <T>(ask: () => Promise<T>) => Promise<T> {
  let latest: Promise<unknown> = Promise.resolve()
  return (ask) => {
    const answer = latest.then(ask)
    latest = answer.catch(() => undefined)
    return answer
  }
}
