import { Effect, Exit, Scope } from "effect"
import { type EventStoreLog, openEventStoreLog } from "../../../src/eventlog/eventstoredb/EventStoreLog.js"
import type { EventStoreLogOptions } from "../../../src/eventlog/eventstoredb/Options.js"

export interface OpenLog {
  readonly log: EventStoreLog
  readonly close: () => Promise<void>
}

export const openLog = async (options: EventStoreLogOptions): Promise<OpenLog> => {
  const scope = await Effect.runPromise(Scope.make())
  const log = await Effect.runPromise(Scope.extend(openEventStoreLog(options), scope))
  return { log, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}
