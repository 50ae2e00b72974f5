import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { EventLogService } from "../../../src/eventlog/EventLog.js"
import { openEventStoreLog } from "../../../src/eventlog/eventstoredb/EventStoreLog.js"
import type { EventStoreLogOptions } from "../../../src/eventlog/eventstoredb/Options.js"

export interface OpenLog {
  readonly log: EventLogService
  /** Why the server can't be used, as the log says. */
  readonly trouble: () => string | undefined
  readonly close: () => Promise<void>
}

export const openLog = async (options: EventStoreLogOptions): Promise<OpenLog> => {
  let trouble: string | undefined
  const onTrouble = (reason: string | undefined) => {
    trouble = reason
  }
  const scope = await Effect.runPromise(Scope.make())
  const log = await Effect.runPromise(Scope.extend(openEventStoreLog({ ...options, onTrouble }), scope))
  return { log, trouble: () => trouble, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}
