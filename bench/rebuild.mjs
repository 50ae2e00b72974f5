// How much collecting feels a rebuild: the same load with a rebuild of `metrics` under way and without, in turns.
//   node bench/rebuild.mjs [--events 1000000] [--rate 1000] [--runs 5] [--seconds 20] [--dir DIRECTORY]
// The history is made unless it is there. Each rebuild begins anew with its run, and is cancelled after it.
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { SECRET } from "./history.mjs"
import { ask, json, KEY, serve, tidemark, untilLevel, untilQuiet } from "./support/program.mjs"
import { directoryFor, prepareSite } from "./support/site.mjs"
import { count, median, per, table, verdict } from "./support/text.mjs"

/** Under a rebuild, p99 is less than this times that without. */
const MOST = 1.5

const command = async (url, name) => {
  const query = `mutation { ${name}(name: "metrics") { userErrors { code message } } }`
  const { userErrors } = (await ask(url, query))[name]
  if (userErrors.length > 0) throw new Error(`${name}: ${JSON.stringify(userErrors)}`)
}

const load = (url, { rate, seconds }, seed) =>
  json([
    tidemark,
    "loadgen",
    ...["--url", url, "--key", KEY, "--rate", String(rate), "--batch", "1", "--connections", "64"],
    ...["--duration", String(seconds), "--seed", String(seed), "--json"],
  ])

const building = async (url) =>
  (await ask(url, '{ projection(name: "metrics") { building { position eventsPerSecond } } }')).projection
    .building

export const rebuild = async ({ dir, events, ...options }) => {
  await prepareSite(dir, { events, clients: Math.ceil(events / 10), seed: 7 })
  // What is sent must not become part of the history.
  const copy = mkdtempSync(join(tmpdir(), "tidemark-rebuild-"))
  cpSync(dir, copy, { recursive: true })
  const server = await serve(copy, SECRET)
  const rows = []
  try {
    await untilLevel(server.url)
    // On its first start on a history it has the silences of a year to report.
    await untilQuiet(server.pid)
    await load(server.url, options, 1)
    for (let run = 1; run <= options.runs; run++) {
      const alone = await load(server.url, options, 10 * run + 2)
      await command(server.url, "rebuildProjection")
      const beside = await load(server.url, options, 10 * run + 3)
      const build = await building(server.url)
      if (build === null) throw new Error("the rebuild ended before the run: take more --events")
      await command(server.url, "cancelRebuild")
      rows.push({ alone: alone.latencyMs, beside: beside.latencyMs, speed: build.eventsPerSecond })
      console.error(`run ${run}: p99 ${alone.latencyMs.p99} ms alone, ${beside.latencyMs.p99} ms beside`)
    }
  } finally {
    await server.stop()
    rmSync(copy, { recursive: true, force: true })
  }
  const ms = (of, q) => median(rows.map((row) => row[of][q]))
  const growth = ms("beside", "p99") / ms("alone", "p99")
  console.log(
    `\n${per(options.rate)} single events for ${options.seconds} s, a log of ${count(events)}, median of ${options.runs} runs in turns, ${cpus().length} cores:\n`,
  )
  console.log(
    table(
      ["", "p50 ms", "p99 ms", "max ms"],
      ["alone", "beside"].map((of) => [
        of === "alone" ? "without a rebuild" : "beside a rebuild",
        ...["p50", "p99", "max"].map((q) => ms(of, q).toFixed(1)),
      ]),
    ),
  )
  console.log(
    `\np99 × ${growth.toFixed(2)} (less than ${MOST}): ${verdict(growth < MOST)}. The rebuild folds ${per(median(rows.map(({ speed }) => speed)))} meanwhile.`,
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      events: { type: "string", default: "1000000" },
      rate: { type: "string", default: "1000" },
      runs: { type: "string", default: "5" },
      seconds: { type: "string", default: "20" },
      dir: { type: "string" },
    },
  })
  const events = Number(values.events)
  await rebuild({
    dir: values.dir ?? directoryFor(events),
    events,
    rate: Number(values.rate),
    runs: Number(values.runs),
    seconds: Number(values.seconds),
  })
}
