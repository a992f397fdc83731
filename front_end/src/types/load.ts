/** What a piece of server state is doing; `failed` always comes with an error. */
export type LoadState = 'idle' | 'loading' | 'ready' | 'failed'
