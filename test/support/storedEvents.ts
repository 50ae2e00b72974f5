import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { isSystemType, type StoredEvent } from "../../src/domain/Event.js"
import { storesOf } from "./stores.js"

/** Every event of a log on disk but Tidemark's own, in log order, whether its process runs or not. */
export const storedEvents = (dataDir: string): Promise<ReadonlyArray<StoredEvent>> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const log = yield* storesOf(dataDir).openLog()
        const all: StoredEvent[] = []
        yield* log.readAll({ direction: "forwards" }).pipe(
          Stream.runForEach((events) =>
            Effect.sync(() => {
              for (const { event } of events) if (!isSystemType(event.type)) all.push(event)
            }),
          ),
        )
        return all
      }),
    ),
  )
