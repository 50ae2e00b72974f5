import * as Effect from "effect/Effect"
import type { ReadModelsService } from "../../../src/readmodels/ReadModels.js"

/** Reads that reached the store; of calls with many questions or documents, how many each had. */
export interface Calls {
  builds: number
  readonly load: Array<number>
  readonly query: Array<number>
  readonly queryMany: Array<number>
}

/** `over` gives a store whose calls are counted in `calls`. */
export const counting = () => {
  const calls: Calls = { builds: 0, load: [], query: [], queryMany: [] }
  const over = (real: ReadModelsService): ReadModelsService => ({
    ...real,
    builds: Effect.suspend(() => {
      calls.builds++
      return real.builds
    }),
    load: (build, refs) => {
      calls.load.push(refs.length)
      return real.load(build, refs)
    },
    query: (build, partition, scans, follow) => {
      calls.query.push(1)
      return real.query(build, partition, scans, follow)
    },
    queryMany: (build, questions) => {
      calls.queryMany.push(questions.length)
      return real.queryMany(build, questions)
    },
  })
  return { calls, over }
}
