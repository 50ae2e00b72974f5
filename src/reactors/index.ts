import type { AnyReactor } from "../processors/Reactor.js"

/**
 * Every reactor that runs: each stands here as `anyReactor(…)`. It gets a build like a projection, is rebuilt and
 * promoted like one, and acts because of what is recorded from the moment on in which it first runs.
 */
export const reactors: ReadonlyArray<AnyReactor> = []
