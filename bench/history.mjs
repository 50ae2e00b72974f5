// A year of events in the embedded log of a data directory, as the actors would have written them. A second
// run with the same sizes finds it and leaves it as it is. What reads it starts the program with SECRET.
//   node bench/history.mjs --dir DIRECTORY [--events 1000000] [--clients EVENTS/10] [--seed 7] [--days 365]
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Effect } from "effect"
import { openEmbeddedLog } from "../dist/eventlog/embedded/EmbeddedLog.js"
import { Stored } from "./support/stored.mjs"
import { Traffic } from "./support/Traffic.mjs"
import { count, per } from "./support/text.mjs"

/** Of the pseudonyms of a made history. */
export const SECRET = "bench-secret"

const BATCH = 4_000
const IN_FLIGHT = 2
const SAY_EVERY = 1_000_000

const noteOf = (directory) => join(directory, "history.json")

/** What a directory holds: `events`, `clients`, `seed`, `from` and `to` (epoch ms); undefined without one. */
const readHistory = (directory) => {
  const file = noteOf(directory)
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined
}

const YEAR = 365

/** Histories of before had no `days`: they are of a year. */
const isSame = (found, wanted) =>
  ["events", "clients", "seed"].every((name) => found[name] === wanted[name]) &&
  (found.days ?? YEAR) === (wanted.days ?? YEAR)

/** Makes the history unless it is there. Another one in the directory is an error, an unfinished one goes. */
export const makeHistory = async (directory, wanted) => {
  const found = readHistory(directory)
  if (found?.complete && isSame(found, wanted)) return found
  if (found?.complete)
    throw new Error(`${directory} holds another history (${JSON.stringify(found)}): remove it`)
  if (found === undefined && existsSync(join(directory, "log"))) {
    throw new Error(`${directory} holds a log that no benchmark made: choose another directory`)
  }
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const traffic = new Traffic({ ...wanted, to: Date.now() })
  const note = { ...wanted, from: traffic.from, to: traffic.to }
  writeFileSync(noteOf(directory), JSON.stringify({ ...note, complete: false }))
  const began = performance.now()
  await Effect.runPromise(Effect.scoped(write(join(directory, "log"), traffic)))
  const seconds = (performance.now() - began) / 1000
  console.log(`${count(wanted.events)} events in ${seconds.toFixed(0)} s, ${per(wanted.events / seconds)}`)
  writeFileSync(noteOf(directory), JSON.stringify({ ...note, complete: true }))
  return { ...note, complete: true }
}

const write = (directory, traffic) =>
  Effect.gen(function* () {
    const log = yield* openEmbeddedLog({ directory })
    const stored = new Stored(SECRET, traffic.clients)
    const underWay = []
    const settle = async () => {
      for (const outcome of await underWay.shift())
        if (outcome._tag !== "Appended") throw new Error(`not appended: ${JSON.stringify(outcome)}`)
    }
    yield* Effect.promise(async () => {
      let appends = []
      let made = 0
      for (const event of traffic) {
        appends.push(...stored.appendsOf(event))
        made++
        if (made % SAY_EVERY === 0) console.error(`${count(made)} of ${count(traffic.events)} events`)
        if (appends.length < BATCH && made < traffic.events) continue
        if (underWay.length >= IN_FLIGHT) await settle()
        underWay.push(Effect.runPromise(log.append(appends)))
        appends = []
      }
      while (underWay.length > 0) await settle()
    })
  })

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      dir: { type: "string" },
      events: { type: "string", default: "1000000" },
      clients: { type: "string" },
      seed: { type: "string", default: "7" },
      days: { type: "string", default: "365" },
    },
  })
  if (values.dir === undefined) throw new Error("--dir DIRECTORY is needed")
  const events = Number(values.events)
  const clients = Number(values.clients ?? Math.ceil(events / 10))
  const wanted = { events, clients, seed: Number(values.seed), days: Number(values.days) }
  console.log(JSON.stringify(await makeHistory(values.dir, wanted)))
}
