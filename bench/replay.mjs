// Replay of all projections against bare reading and JSON.parse of the same log, in turns in one run; the rebuild of
// each projection, on one core and with a second; and the largest one's on one core while the log is read barely on
// another one, which they swap from run to run: what is held to the target, as a machine that drifts does so for both.
// The log is whole rows: ids, the event's text and the metadata's. What the rebuild is of event texts alone, without
// what else is in a row, stands beside it.
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
import { canHoldTwo } from "./support/program.mjs"
import { directoryFor, fold, bare as readBare, rebuildBeside, rebuildOnce } from "./support/site.mjs"
import { count, median, megabytes, per, share, table, verdict } from "./support/text.mjs"
import { sizeOf } from "./support/usage.mjs"

const TARGET = 0.15
/** What a second core is worth to a rebuild. */
const SECOND = 1.4
/** The projection that takes longest. */
const LARGEST = "metrics"

/** What an answer of the scripts says, as cells. */
const cells = (name, result, { whole, bare }) => [
  name,
  result.seconds.toFixed(1),
  count(result.eventsPerSecond),
  share(result.eventsPerSecond / whole.eventsPerSecond),
  share(result.eventsPerSecond / bare.eventsPerSecond),
  ((result.cpuSeconds / result.events) * 1e6).toFixed(1),
  count(result.peakMemory / 1e6),
]

export const replay = async ({ dir, events, clients, seed, days, runs, profile }) => {
  const history = await makeHistory(dir, { events, clients, seed, ...(days === undefined ? {} : { days }) })
  const readModels = join(dir, "readmodels")
  const rounds = []
  for (let run = 1; run <= runs; run++) {
    const bare = await readBare(dir)
    const whole = await readBare(dir, ["whole"])
    const replayed = await fold(dir, readModels)
    if (replayed.events !== bare.events) throw new Error("the replay and the bare reading saw different logs")
    const rebuilt = []
    for (const { name } of projections) {
      const one = await rebuildOnce(dir, readModels, name, 1)
      const two = await rebuildOnce(dir, readModels, name, 2)
      rebuilt.push({ name, one, two })
    }
    const { one, two } = rebuilt.find(({ name }) => name === LARGEST)
    const second = two.eventsPerSecond / one.eventsPerSecond
    const beside = canHoldTwo()
      ? await rebuildBeside(dir, readModels, LARGEST, run % 2)
      : { ...one, bare: whole.eventsPerSecond }
    const rebuild = beside.eventsPerSecond / beside.bare
    // What is read of a row, from the turns before: both were read just then.
    const ofTexts = rebuild * (whole.eventsPerSecond / bare.eventsPerSecond)
    rounds.push({ bare, whole, replayed, rebuilt, beside, rebuild, ofTexts, second })
    console.error(
      `run ${run}: rebuild of ${LARGEST} on one core ${per(beside.eventsPerSecond)} beside ${per(beside.bare)} read barely = ${share(rebuild)} (${share(ofTexts)} of event texts alone); with a second core × ${second.toFixed(2)}`,
    )
  }
  const middle = (name) => median(rounds.map((round) => round[name]))
  const [rebuild, ofTexts, second] = [middle("rebuild"), middle("ofTexts"), middle("second")]
  const { bare, whole, replayed, rebuilt } = rounds.find((round) => round.second === second)
  const reference = { whole, bare }
  console.log(
    `\nReplay of ${count(history.events)} events of ${count(history.clients)} clients (${count(bare.events)} with profiles and settings), the run of ${runs} with the median for a second core, one after the other on ${cpus().length} cores:\n`,
  )
  console.log(
    table(
      ["", "seconds", "events/s", "of bare", "of event texts", "µs CPU an event", "peak MB"],
      [
        cells("bare: whole rows, JSON.parse of both texts", whole, reference),
        cells("bare: event texts alone, JSON.parse", bare, reference),
        cells("replay of all projections", replayed, reference),
        ...rebuilt.flatMap(({ name, one, two }) => [
          cells(`rebuild of ${name} on one core`, one, reference),
          cells(`rebuild of ${name} on two`, two, reference),
        ]),
      ],
    ),
  )
  console.log(
    canHoldTwo()
      ? `\nRebuild of ${LARGEST} on one core and bare reading of whole rows on another one at the same time:\n`
      : `\nRebuild of ${LARGEST} and bare reading of whole rows, one after the other, as they can't be held to a core each:\n`,
  )
  console.log(
    table(
      ["run", "rebuild events/s", "bare events/s", "of bare", "of event texts"],
      rounds.map(({ beside, rebuild, ofTexts }, run) => [
        String(run + 1),
        count(beside.eventsPerSecond),
        count(beside.bare),
        share(rebuild),
        share(ofTexts),
      ]),
    ),
  )
  console.log(
    `\nTarget ${share(TARGET)} of bare: rebuild of ${LARGEST} on one core ${share(rebuild)} ${verdict(rebuild >= TARGET)} (${share(ofTexts)} of event texts alone ${verdict(ofTexts >= TARGET)}), medians. Target × ${SECOND} with a second core: × ${second.toFixed(2)} ${verdict(second >= SECOND)}. Log ${megabytes(sizeOf(join(dir, "log")))}, read models ${megabytes(sizeOf(readModels))}:\n`,
  )
  console.log(table(["collection", "rows", "MB", "bytes an event"], collectionsOf(readModels, events)))
  if (profile) await showProfile(dir)
  return { rebuild, ofTexts, second }
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
