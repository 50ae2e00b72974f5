import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { afterAll } from "vitest"
import { Actors, type ActorsService } from "../../../src/actors/Actors.js"
import * as ActorsSingleProcess from "../../../src/actors/cluster/ActorsSingleProcess.js"
import {
  type Incoming,
  type Origin,
  Recorder,
  type RecorderService,
  type RecordResult,
  type SettingsResult,
} from "../../../src/actors/Recorder.js"
import type { Owners } from "../../../src/actors/Tuning.js"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import { clientKey } from "../../../src/domain/Ids.js"
import { EventLog, type EventLogService } from "../../../src/eventlog/EventLog.js"
import { openEmbeddedLog } from "../../../src/eventlog/embedded/EmbeddedLog.js"
import * as EmbeddedKeyStore from "../../../src/keystore/embedded/EmbeddedKeyStore.js"
import { KeyStore, type KeyStoreService } from "../../../src/keystore/KeyStore.js"

const made: Array<string> = []

afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true })
})

export const temporary = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-actors-"))
  made.push(directory)
  return directory
}

export const admin: Origin = { source: "api", key: "admin", mayCreateMerchants: true }
export const merchantKey: Origin = { source: "api", key: "m", mayCreateMerchants: false }

const secret = Buffer.from("secret")

export const event = (
  merchantId: string,
  id: string,
  more: Partial<Incoming["data"]> & { type?: string; at?: number; clientId?: string } = {},
): Incoming => {
  const { type = "pageview", at = Date.now(), clientId, ...data } = more
  return {
    type,
    at,
    data: {
      id,
      merchantId,
      ...(clientId === undefined ? {} : { clientKey: clientKey(secret, merchantId, clientId) }),
      ...data,
    },
    ...(clientId === undefined ? {} : { profile: { clientId, ip: "203.0.113.7" } }),
  }
}

/** Reports a second owner of anything. */
export class OwnerRegistry implements Owners {
  private readonly owned = new Set<string>()
  readonly seconds: Array<string> = []
  activated = (what: string): void => {
    if (this.owned.has(what)) this.seconds.push(what)
    this.owned.add(what)
  }
  passivated = (what: string): void => {
    this.owned.delete(what)
  }
}

export interface Running {
  readonly recorder: RecorderService
  readonly actors: ActorsService
  readonly log: EventLogService
  readonly keys: KeyStoreService
  readonly record: (events: ReadonlyArray<Incoming>, origin?: Origin) => Promise<RecordResult>
  readonly settings: (command: Parameters<RecorderService["changeSettings"]>[0]) => Promise<SettingsResult>
  readonly apiKey: (command: Parameters<RecorderService["changeApiKey"]>[0]) => Promise<SettingsResult>
  readonly all: () => Promise<ReadonlyArray<RecordedEvent>>
  readonly close: () => Promise<void>
}

export interface StartOptions extends Partial<ActorsSingleProcess.SingleProcessOptions> {
  readonly wrap?: (log: EventLogService) => EventLogService
  readonly wrapKeys?: (keys: KeyStoreService) => KeyStoreService
  readonly slowdownMs?: number
}

/** The real actors on the real embedded log, key store and index in a directory. */
export const start = async (directory: string, options: StartOptions = {}): Promise<Running> => {
  const log = Layer.scoped(
    EventLog,
    Effect.map(
      openEmbeddedLog({ directory: join(directory, "log"), slowdownMs: options.slowdownMs ?? 0 }),
      options.wrap ?? ((log) => log),
    ),
  )
  const keys = Layer.scoped(
    KeyStore,
    Effect.map(
      EmbeddedKeyStore.make({ directory: join(directory, "keys") }),
      options.wrapKeys ?? ((keys) => keys),
    ),
  )
  const whole = ActorsSingleProcess.layer({ directory: join(directory, "actors"), ...options }).pipe(
    Layer.provideMerge(log),
    Layer.provideMerge(keys),
    Layer.provide(Logger.minimumLogLevel(LogLevel.Warning)),
  )
  const scope = Effect.runSync(Scope.make())
  const context = await Effect.runPromise(Layer.buildWithScope(whole, scope))
  await Effect.runPromise(Context.get(context, ActorsSingleProcess.Activation).await)
  const recorder = Context.get(context, Recorder)
  const service = Context.get(context, EventLog)
  return {
    recorder,
    actors: Context.get(context, Actors),
    log: service,
    keys: Context.get(context, KeyStore),
    record: (events, origin = admin) => new Promise((resolve) => recorder.record(events, origin, resolve)),
    settings: (command) => new Promise((resolve) => recorder.changeSettings(command, resolve)),
    apiKey: (command) => new Promise((resolve) => recorder.changeApiKey(command, resolve)),
    all: () =>
      Effect.runPromise(
        Stream.runFold(
          service.readAll({ direction: "forwards" }),
          [] as Array<RecordedEvent>,
          (all, some) => {
            all.push(...some)
            return all
          },
        ),
      ),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  }
}

/** Waits for a condition, with a deadline. */
export const until = async (what: string, condition: () => boolean, deadlineMs = 15_000): Promise<void> => {
  const end = Date.now() + deadlineMs
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export const tags = (result: RecordResult): Array<string> =>
  result._tag === "Recorded" ? result.events.map((as) => as._tag) : [result._tag]
