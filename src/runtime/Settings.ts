import { availableParallelism } from "node:os"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { STANDARD_IDLE_AFTER_MS } from "../domain/IdleTimes.js"
import { faultOf, isConnection } from "../eventlog/eventstoredb/Connection.js"
import { isPrefix } from "../eventlog/eventstoredb/Prefixed.js"
import { type DeadLetterPolicy, deadLetterPolicies } from "../processors/DeadLetters.js"
import { type AlertSettings, alertSettings } from "./AlertSettings.js"
import type { EventLogChoice } from "./EventLogs.js"
import { type ReadModelStore, readModelStore } from "./ReadModelStore.js"

/** How this process is set up: what the environment says, checked once, before anything is opened. */
export interface RuntimeSettings {
  readonly eventLog: EventLogChoice
  readonly host: string
  readonly port: number
  readonly dataDir: string
  readonly readModels: ReadModelStore
  readonly adminKey: Option.Option<Redacted.Redacted>
  readonly secret: Option.Option<Redacted.Redacted>
  readonly idleAfter: Duration.Duration
  readonly development: boolean
  /** An actor that nobody used for this long leaves the memory. */
  readonly passivateAfter: Duration.Duration
  /** A build that was replaced is kept up to date for this long. */
  readonly standbyFor: Duration.Duration
  /** Where events that can't be folded are set aside; elsewhere the build stops at the first. */
  readonly deadLetters: DeadLetterPolicy
  /** How many threads fold a rebuild. */
  readonly rebuildThreads: number
  readonly logSlowdownMs: number
  /** A country database in MaxMind DB format. */
  readonly countryFile: Option.Option<string>
  readonly alerts: AlertSettings
}

const oneOf = (name: string, built: ReadonlyArray<string>, later: string) =>
  Config.string(name).pipe(
    Config.withDefault(built[0] as string),
    Config.mapOrFail((value) =>
      built.includes(value)
        ? Either.right(value)
        : Either.left(
            ConfigError.InvalidData([name], `"${value}" is not built yet. Use "${built[0]}". ${later}`),
          ),
    ),
  )

const EVENT_LOG = "TIDEMARK_EVENT_LOG"
const PREFIX = "TIDEMARK_EVENT_LOG_PREFIX"

const prefix = Config.string(PREFIX).pipe(
  Config.withDefault(""),
  Config.mapOrFail((text) =>
    text === "" || isPrefix(text)
      ? Either.right(text)
      : Either.left(
          ConfigError.InvalidData(
            [PREFIX],
            `"${text}" can't be in front of the names of streams: it may have 1 to 64 characters A-Z a-z 0-9 . _ -, begin with a letter or a digit, and have neither merchant- nor client- in it`,
          ),
        ),
  ),
)

/** The event log that the environment names, also for commands other than `serve`. */
export const eventLogChoice: Config.Config<EventLogChoice> = Config.all([
  Config.string(EVENT_LOG).pipe(Config.withDefault("embedded")),
  prefix,
]).pipe(
  Config.mapOrFail(([text, prefix]): Either.Either<EventLogChoice, ConfigError.ConfigError> => {
    if (text === "embedded") return Either.right({ _tag: "Embedded" })
    const wrong = (reason: string) => Either.left(ConfigError.InvalidData([EVENT_LOG], reason))
    if (!isConnection(text)) return wrong('it must be "embedded", or begin with esdb:// or esdb+discover://')
    const fault = faultOf(text)
    return fault === undefined
      ? Either.right({ _tag: "EventStoreDB", connection: Redacted.make(text), prefix })
      : wrong(fault.message)
  }),
)

const port = Config.integer("TIDEMARK_PORT").pipe(
  Config.withDefault(4000),
  Config.validate({
    message: "TIDEMARK_PORT must be a port number, 0 to 65535 (0 takes a free one)",
    validation: (value) => value >= 0 && value <= 65_535,
  }),
)

const lasting = (name: string, standard: Duration.Duration) =>
  Config.string(name).pipe(
    Config.mapOrFail((text) => {
      const found = Option.filter(
        Duration.decodeUnknown(text),
        (value) => Duration.toMillis(value) > 0 && Duration.isFinite(value),
      )
      return Option.isSome(found)
        ? Either.right(found.value)
        : Either.left(
            ConfigError.InvalidData(
              [name],
              `"${text}" must be a number and a unit, and longer than nothing, such as "30 minutes" or "2 seconds"`,
            ),
          )
    }),
    Config.withDefault(standard),
  )

const DEAD_LETTERS = "TIDEMARK_DEAD_LETTERS"

const deadLetters = Config.string(DEAD_LETTERS).pipe(
  Config.withDefault("live"),
  Config.mapOrFail((text): Either.Either<DeadLetterPolicy, ConfigError.ConfigError> => {
    const policy = deadLetterPolicies.find((one) => one === text)
    return policy === undefined
      ? Either.left(
          ConfigError.InvalidData(
            [DEAD_LETTERS],
            `"${text}" must be one of ${deadLetterPolicies.join(", ")}: where events that can't be folded are set aside`,
          ),
        )
      : Either.right(policy)
  }),
)

const REBUILD_THREADS = "TIDEMARK_REBUILD_THREADS"
const MOST_REBUILD_THREADS = 16

/** Each takes memory; a second one is worth it wherever there is a core for it. */
const rebuildThreads = Config.integer(REBUILD_THREADS).pipe(
  Config.withDefault(Math.min(2, availableParallelism())),
  Config.validate({
    message: `${REBUILD_THREADS} must be a number of threads, 1 to ${MOST_REBUILD_THREADS}`,
    validation: (value) => value >= 1 && value <= MOST_REBUILD_THREADS,
  }),
)

const slowdown = Config.integer("TIDEMARK_FAULT_LOG_SLOWDOWN_MS").pipe(
  Config.withDefault(0),
  Config.validate({
    message: "TIDEMARK_FAULT_LOG_SLOWDOWN_MS must be 0 or more",
    validation: (value) => value >= 0,
  }),
)

export const runtimeSettings: Effect.Effect<RuntimeSettings, ConfigError.ConfigError> = Effect.gen(
  function* () {
    yield* oneOf("TIDEMARK_ROLES", ["all"], "One process does everything for now.")
    return {
      eventLog: yield* eventLogChoice,
      host: yield* Config.nonEmptyString("TIDEMARK_HOST").pipe(Config.withDefault("127.0.0.1")),
      port: yield* port,
      dataDir: yield* Config.nonEmptyString("TIDEMARK_DATA_DIR").pipe(Config.withDefault("./data")),
      readModels: yield* readModelStore,
      adminKey: yield* Config.option(Config.redacted(Config.nonEmptyString("TIDEMARK_ADMIN_KEY"))),
      secret: yield* Config.option(Config.redacted(Config.nonEmptyString("TIDEMARK_SECRET"))),
      idleAfter: yield* lasting("TIDEMARK_IDLE_AFTER", Duration.millis(STANDARD_IDLE_AFTER_MS)),
      passivateAfter: yield* lasting("TIDEMARK_PASSIVATE_AFTER", Duration.minutes(2)),
      standbyFor: yield* lasting("TIDEMARK_STANDBY_FOR", Duration.hours(24)),
      development: yield* Config.string("NODE_ENV").pipe(
        Config.withDefault("development"),
        Config.map((value) => value !== "production"),
      ),
      deadLetters: yield* deadLetters,
      rebuildThreads: yield* rebuildThreads,
      logSlowdownMs: yield* slowdown,
      countryFile: yield* Config.option(Config.nonEmptyString("TIDEMARK_COUNTRY_FILE")),
      alerts: yield* alertSettings,
    }
  },
)
