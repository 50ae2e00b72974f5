import { SingleBar } from "cli-progress"
import { Command, InvalidArgumentError } from "commander"
import { adminKey } from "./adminKey.js"
import { defaultGeneratorOptions, Generator } from "./loadgen/Generator.js"
import { HttpLoad, type LoadResult } from "./loadgen/HttpLoad.js"
import { positive, whole } from "./options.js"

interface Options {
  readonly url: string
  readonly key?: string
  readonly rate: number | "max"
  readonly duration?: number
  readonly events?: number
  readonly batch: number
  readonly connections: number
  readonly merchants: number
  readonly clients: number
  readonly paths: number
  readonly currency: ReadonlyArray<string>
  readonly requests: number
  readonly prefix: string
  readonly seed: number
  readonly retries: number
  readonly json: boolean
}

const rate = (text: string): number | "max" => (text === "max" ? "max" : positive(text))

const share = (text: string): number => {
  const value = Number(text)
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError("It must be from 0 to 1.")
  return value
}

const currencies = (text: string): ReadonlyArray<string> => {
  const codes = text.split(",")
  const known = new Set(Intl.supportedValuesOf("currency"))
  for (const code of codes) {
    if (!known.has(code)) throw new InvalidArgumentError(`"${code}" is not a currency of ISO 4217.`)
  }
  return codes
}

const prefix = (text: string): string => {
  if (!/^[A-Za-z0-9.-][A-Za-z0-9_.-]{0,31}$/.test(text)) {
    throw new InvalidArgumentError(
      "It may have 1 to 32 characters A-Z a-z 0-9 _ . - and must not begin with _.",
    )
  }
  return text
}

const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} ms`

const report = (result: LoadResult, seed: number): string => {
  const { latencyMs: latency, statuses } = result
  return [
    `seed ${seed}, ${result.seconds.toFixed(1)} s`,
    `events    sent ${result.sent}, accepted ${result.accepted}, duplicates ${result.duplicates}, rejected ${result.rejected}, lost ${result.lost}`,
    `answers   202: ${statuses[202] ?? 0}, 429: ${statuses[429] ?? 0}, 503: ${statuses[503] ?? 0}, connections lost: ${result.connectionsLost}`,
    `rate      ${Math.round(result.eventsPerSecond)} events/s in ${Math.round(result.requestsPerSecond)} requests/s`,
    `latency   p50 ${ms(latency.p50)}, p90 ${ms(latency.p90)}, p99 ${ms(latency.p99)}, max ${ms(latency.max)}`,
    ...(result.firstError === undefined ? [] : [`first error: ${result.firstError}`]),
  ].join("\n")
}

/** Shows what comes back while it runs; answers how to end it. */
const showProgress = (load: HttpLoad, options: Options): (() => void) => {
  const total = options.events ?? options.duration ?? 1
  const bar = new SingleBar({
    format: " {bar} {percentage}% | {done} events | {rate} events/s | p50 {p50} p99 {p99}",
    hideCursor: true,
    clearOnComplete: true,
  })
  const shown = () => {
    const now = load.result()
    const done = now.accepted + now.duplicates + now.rejected
    return {
      at: Math.min(total, options.events === undefined ? now.seconds : done),
      payload: {
        done,
        rate: Math.round(now.eventsPerSecond),
        p50: ms(now.latencyMs.p50),
        p99: ms(now.latencyMs.p99),
      },
    }
  }
  bar.start(total, 0, shown().payload)
  const timer = setInterval(() => {
    const { at, payload } = shown()
    bar.update(at, payload)
  }, 500)
  return () => {
    clearInterval(timer)
    bar.stop()
  }
}

const run = async (options: Options): Promise<void> => {
  const key = adminKey(options.key)
  const generator = new Generator({
    seed: options.seed,
    merchants: options.merchants,
    clients: options.clients,
    paths: options.paths,
    currencies: options.currency,
    requests: options.requests,
    prefix: options.prefix,
  })
  const load = new HttpLoad(
    {
      url: options.url,
      key,
      connections: options.connections,
      batch: options.batch,
      retries: options.retries,
      longestWait: 10,
      ...(options.rate === "max" ? {} : { rate: options.rate }),
      ...(options.events === undefined ? {} : { events: options.events }),
      ...(options.duration === undefined ? {} : { seconds: options.duration }),
    },
    generator,
  )
  const stop = () => load.stop()
  process.once("SIGINT", stop)
  process.once("SIGTERM", stop)
  const running = load.run()
  const hideProgress = options.json || !process.stderr.isTTY ? () => {} : showProgress(load, options)
  const result = await running
  hideProgress()
  process.off("SIGINT", stop)
  process.off("SIGTERM", stop)
  console.log(options.json ? JSON.stringify({ seed: options.seed, ...result }) : report(result, options.seed))
  if (result.lost > 0 || result.rejected > 0) process.exitCode = 1
}

/** `tidemark loadgen`: exits with 1 when events were rejected or lost. */
export const loadgenCommand = (): Command => {
  const defaults = defaultGeneratorOptions
  return new Command("loadgen")
    .description("send realistic visits of many merchants' clients to a running Tidemark")
    .option("--url <url>", "where it is", "http://127.0.0.1:4000")
    .option("--key <key>", "API key (default: TIDEMARK_ADMIN_KEY, or the one in the data directory)")
    .option("--rate <events/s>", 'events/s, or "max" for as fast as it goes', rate, "max")
    .option("--duration <seconds>", "how long to send (default: 20, unless --events is given)", positive)
    .option("--events <number>", "how many events to send", whole(1, Number.MAX_SAFE_INTEGER))
    .option("--batch <events>", "events in a request", whole(1, 10_000), 1)
    .option("--connections <number>", "connections kept open", whole(1, 10_000), 64)
    .option("--merchants <number>", "merchants, by Zipf weights", whole(1, 10_000_000), defaults.merchants)
    .option("--clients <number>", "clients over all merchants", whole(1, 100_000_000), defaults.clients)
    .option("--paths <number>", "paths, by Zipf weights", whole(1, 10_000_000), defaults.paths)
    .option("--currency <codes>", "currencies with commas between, one for each merchant", currencies, [
      ...defaults.currencies,
    ])
    .option(
      "--requests <share>",
      "share of events that are of type request, 0 to 1",
      share,
      defaults.requests,
    )
    .option("--prefix <text>", "put before merchant and client ids", prefix, defaults.prefix)
    .option(
      "--seed <number>",
      "of the events, ids too: the same seed sends the same ids (default: random)",
      whole(0, Number.MAX_SAFE_INTEGER),
    )
    .option("--retries <number>", "repetitions after 429, 503 or a lost connection", whole(0, 1_000), 20)
    .option("--json", "print the result as one line of JSON", false)
    .action((given: Omit<Options, "seed"> & { readonly seed?: number }) =>
      run({
        ...given,
        ...(given.duration === undefined && given.events === undefined ? { duration: 20 } : {}),
        seed: given.seed ?? Math.floor(Math.random() * Number.MAX_SAFE_INTEGER),
      }),
    )
}
