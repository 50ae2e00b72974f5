import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { isSystemType } from "../../src/domain/Event.js"
import { storesOf } from "./stores.js"

export interface WholeLog {
  /** Ids as senders gave them, of all events but Tidemark's own. */
  readonly sentIds: ReadonlySet<string>
  /** Streams and ids that stand in the log more than once: there must be none. */
  readonly twice: ReadonlyArray<string>
}

/** Reads a log from disk, whether its process runs or not. */
export const readWholeLog = (dataDir: string): Promise<WholeLog> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const log = yield* storesOf(dataDir).openLog()
        const sentIds = new Set<string>()
        const seen = new Set<string>()
        const twice: Array<string> = []
        yield* log.readAll({ direction: "forwards" }).pipe(
          Stream.runForEach((events) =>
            Effect.sync(() => {
              for (const { stream, event } of events) {
                if (isSystemType(event.type)) continue
                const place = `${stream} ${event.data.id}`
                if (seen.has(place)) twice.push(place)
                seen.add(place)
                sentIds.add(event.data.id)
              }
            }),
          ),
        )
        return { sentIds, twice }
      }),
    ),
  )
