import { Command } from "commander"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { keepHeapsSmall } from "../runtime/Heaps.js"
import { serve } from "../runtime/Serve.js"
import { runtimeSettings } from "../runtime/Settings.js"
import { welcome } from "../runtime/Welcome.js"
import { letFibersGo } from "../threads/letFibersGo.js"

const variables = `
Settings come from the environment:
  TIDEMARK_PORT, TIDEMARK_HOST     where HTTP listens (4000, 127.0.0.1)
  TIDEMARK_DATA_DIR                embedded stores and keys (./data)
  TIDEMARK_ADMIN_KEY               a key that may do everything (made and kept in the data directory)
  TIDEMARK_SECRET                  secret of the pseudonyms (made and kept in the data directory)
  TIDEMARK_IDLE_AFTER              silence after which a client is idle ("30 minutes")
  TIDEMARK_PASSIVATE_AFTER         quiet time after which an actor leaves the memory ("2 minutes")
  TIDEMARK_STANDBY_FOR             how long a build that was replaced is kept up to date ("24 hours")
  TIDEMARK_COUNTRY_FILE            country database (.mmdb) for visitors' addresses (none)
  TIDEMARK_DEAD_LETTERS            where an event that can't be folded is set aside: live, always, never (live)
  TIDEMARK_PROJECTIONS             optional projections that run as well: hourly, funnel (none)
  TIDEMARK_EVENT_LOG               "embedded", or EventStoreDB: "esdb://user:password@host:2113?tls=true"
  TIDEMARK_READ_MODELS             "embedded", or MongoDB: "mongodb://user:password@host/database"
  TIDEMARK_ROLES                   "all": there is nothing else yet
  NODE_ENV                         "production" turns GraphiQL off
`

const program = Effect.gen(function* () {
  const settings = yield* runtimeSettings
  const serving = yield* serve(settings)
  process.stdout.write(welcome(serving.url, serving.secrets))
  return yield* serving.died
}).pipe(Effect.scoped)

const messageOf = (failure: unknown): string => {
  if (failure instanceof Error && failure.message !== "") return failure.message
  const reason = (failure as { readonly reason?: unknown } | null | undefined)?.reason
  return typeof reason === "string" ? reason : String(failure)
}

/** What a person is told: messages of known errors, the whole cause of those that nobody foresaw. */
const explain = (cause: Cause.Cause<unknown>): string =>
  Cause.isFailure(cause) && !Cause.isDie(cause)
    ? Array.from(Cause.failures(cause), (failure) => messageOf(failure)).join("\n")
    : Cause.pretty(cause)

const run = (): Promise<number> =>
  new Promise((resolve) => {
    const logger = process.stderr.isTTY ? Logger.pretty : Logger.logFmt
    const fiber = Effect.runFork(
      program.pipe(Effect.provide(logger), Logger.withMinimumLogLevel(LogLevel.Info)),
    )
    const stop = (signal: NodeJS.Signals) => {
      process.stderr.write(`${signal}: finishing what is under way …\n`)
      Effect.runFork(Fiber.interrupt(fiber))
    }
    process.once("SIGINT", stop)
    process.once("SIGTERM", stop)
    fiber.addObserver((exit) => {
      if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return resolve(0)
      process.stderr.write(`${explain(exit.cause)}\n`)
      resolve(1)
    })
  })

export const serveCommand = (): Command =>
  new Command("serve")
    .description("run Tidemark: collect, actors, processors and queries in one process")
    .addHelpText("after", variables)
    .action(async () => {
      keepHeapsSmall()
      letFibersGo()
      process.exit(await run())
    })
