// Replay of all projections against bare reading and JSON.parse of the same log, in turns in one run; and the rebuild
// of each projection beside them, on one core and with a second.
//   node bench/replay.mjs [--events 1000000] [--dir DIRECTORY] [--clients EVENTS/10] [--days 365] [--runs 3] [--cpu-prof]
// With fewer days a smaller history is as dense as a larger one: 1,000,000 events in 37 are as 10,000,000 in a year.
// The history is made unless it is there. The read models of the last run stay in the directory.
import { rmSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { projections } from "../dist/projections/index.js"
import { makeHistory } from "./history.mjs"
import { collectionsOf } from "./support/disk.mjs"
import { phasesOf } from "./support/phases.mjs"
import { directoryFor, fold, bare as readBare, rebuildOnce } from "./support/site.mjs"
import { count, median, megabytes, per, share, table, verdict } from "./support/text.mjs"
import { sizeOf } from "./support/usage.mjs"

const TARGET = 0.15
/** What a second core is worth to a rebuild. */
const SECOND = 1.4
/** The projection that takes longest. */
const LARGEST = "metrics"

/** What an answer of the scripts says, as cells. */
const cells = (name, result, reference) => [
  name,
  result.seconds.toFixed(1),
  count(result.eventsPerSecond),
  share(result.eventsPerSecond / reference),
  ((result.cpuSeconds / result.events) * 1e6).toFixed(1),
  count(result.peakMemory / 1e6),
]

export const replay = async ({ dir, events, clients, seed, days, runs, profile }) => {
  const history = await makeHistory(dir, { events, clients, seed, ...(days === undefined ? {} : { days }) })
  const readModels = join(dir, "readmodels")
  const rounds = []
  for (let run = 1; run <= runs; run++) {
    const bare = await readBare(dir)
    const whole = await readBare(dir, "whole")
    const replayed = await fold(dir, readModels)
    if (replayed.events !== bare.events) throw new Error("the replay and the bare reading saw different logs")
    const rebuilt = []
    for (const { name } of projections) {
      const one = await rebuildOnce(dir, readModels, name, 1)
      const two = await rebuildOnce(dir, readModels, name, 2)
      rebuilt.push({ name, one, two })
    }
    const { one, two } = rebuilt.find(({ name }) => name === LARGEST)
    const ratio = replayed.eventsPerSecond / bare.eventsPerSecond
    const rebuild = one.eventsPerSecond / bare.eventsPerSecond
    const second = two.eventsPerSecond / one.eventsPerSecond
    rounds.push({ bare, whole, replayed, rebuilt, ratio, rebuild, second })
    console.error(
      `run ${run}: replay ${per(replayed.eventsPerSecond)} of ${per(bare.eventsPerSecond)} = ${share(ratio)}; rebuild of ${LARGEST} on one core ${share(rebuild)}, with a second × ${second.toFixed(2)}`,
    )
  }
  const ratio = median(rounds.map((round) => round.ratio))
  const { bare, whole, replayed } = rounds.find((round) => round.ratio === ratio)
  const rebuild = median(rounds.map((round) => round.rebuild))
  const second = median(rounds.map((round) => round.second))
  const { rebuilt } = rounds.find((round) => round.second === second)
  console.log(
    `\nReplay of ${count(history.events)} events of ${count(history.clients)} clients (${count(bare.events)} with profiles and settings), median of ${runs}, ${cpus().length} cores:\n`,
  )
  console.log(
    table(
      ["", "seconds", "events/s", "of bare", "µs CPU an event", "peak MB"],
      [
        cells("bare: event text, JSON.parse", bare, bare.eventsPerSecond),
        cells("bare: whole rows, JSON.parse of both texts", whole, bare.eventsPerSecond),
        cells("replay of all projections", replayed, bare.eventsPerSecond),
        ...rebuilt.flatMap(({ name, one, two }) => [
          cells(`rebuild of ${name} on one core`, one, bare.eventsPerSecond),
          cells(`rebuild of ${name} on two`, two, bare.eventsPerSecond),
        ]),
      ],
    ),
  )
  console.log(
    `\nTarget ${share(TARGET)} of bare: replay ${share(ratio)} ${verdict(ratio >= TARGET)}, rebuild of ${LARGEST} on one core ${share(rebuild)} ${verdict(rebuild >= TARGET)}. Target × ${SECOND} with a second core: × ${second.toFixed(2)} ${verdict(second >= SECOND)}. Log ${megabytes(sizeOf(join(dir, "log")))}, read models ${megabytes(sizeOf(readModels))}:\n`,
  )
  console.log(table(["collection", "rows", "MB", "bytes an event"], collectionsOf(readModels, events)))
  if (profile) await showProfile(dir)
  return { ratio, rebuild, second }
}

const showProfile = async (dir) => {
  const file = join(dir, "replay.cpuprofile")
  const scratch = join(dir, "readmodels-profiled")
  const result = await fold(dir, scratch, file)
  rmSync(scratch, { recursive: true, force: true })
  const { phases, functions } = phasesOf(file)
  const all = phases.reduce((sum, [, ms]) => sum + ms, 0)
  const rows = (parts) =>
    parts.map(([name, ms]) => [name, share(ms / all), ((ms * 1000) / result.events).toFixed(2)])
  console.log(`\nCPU of the folding thread, engine in one thread with a profiler (${file}):\n`)
  console.log(table(["phase", "share", "µs an event"], rows(phases)))
  console.log("")
  console.log(table(["function, own time", "share", "µs an event"], rows(functions)))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      dir: { type: "string" },
      events: { type: "string", default: "1000000" },
      clients: { type: "string" },
      seed: { type: "string", default: "7" },
      days: { type: "string" },
      runs: { type: "string", default: "3" },
      "cpu-prof": { type: "boolean", default: false },
    },
  })
  const events = Number(values.events)
  const days = values.days === undefined ? undefined : Number(values.days)
  await replay({
    dir: values.dir ?? directoryFor(days === undefined ? events : `${events}-in-${days}-days`),
    days,
    events,
    clients: Number(values.clients ?? Math.ceil(events / 10)),
    seed: Number(values.seed),
    runs: Number(values.runs),
    profile: values["cpu-prof"],
  })
}
