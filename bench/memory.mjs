// Memory and disk while a history is imported into an empty data directory: resident memory of the program at
// a fifth of the events and at the end, under load and settled, and bytes on disk by what takes them.
//   node bench/memory.mjs [--events 1000000] [--clients EVENTS/10] [--via csv|http] [--dir DIRECTORY]
//                         [--settle 60] [--seed 7] [--batch 500] [--connections 4]
// `csv` runs `tidemark import csv` on a file that is written before; `http` sends batches as they are made.
// A given directory is kept; it must not exist.
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { SECRET } from "./history.mjs"
import { mapping, writeCsv } from "./support/csv.mjs"
import { buildFiles, collectionsOf, keyTables, logTables } from "./support/disk.mjs"
import { json, KEY, memoryOf, pause, serve, spawned, tidemark, untilLevel } from "./support/program.mjs"
import { count, median, megabytes, table, verdict } from "./support/text.mjs"
import { sizeOf } from "./support/usage.mjs"

const FIRST_SHARE = 0.2
const GROWTH = 1.2
const SAMPLE_MS = 500
const SAY_EVERY_MS = 15_000
/** The settled memory is the median of what was seen in the last so many ms of the wait. */
const LOOK_MS = 10_000

const sender = fileURLToPath(new URL("support/importer.mjs", import.meta.url))

/** Notes the memory of a process, until stopped. */
class Sampler {
  #samples = []
  #timer
  #said = performance.now()

  constructor(pid) {
    this.#timer = setInterval(() => {
      const memory = memoryOf(pid)
      this.#samples.push({ at: performance.now(), ...memory })
      if (performance.now() - this.#said < SAY_EVERY_MS) return
      this.#said = performance.now()
      console.error(`resident ${megabytes(memory.resident)}, own ${megabytes(memory.own)}`)
    }, SAMPLE_MS)
  }

  /** Medians of the last `ms`. */
  last(ms) {
    const since = performance.now() - ms
    const recent = this.#samples.filter(({ at }) => at >= since)
    const of = (name) => median(recent.map((sample) => sample[name]))
    return { resident: of("resident"), own: of("own"), files: of("files") }
  }

  stop() {
    clearInterval(this.#timer)
  }
}

/** Rows of a file through the program's own command. */
const importCsv = async (url, state, { file, first, last }) => {
  const began = performance.now()
  const command = [tidemark, "import", "csv", file, "--url", url, "--key", KEY, "--state", state, "--json"]
  const child = spawned([...command, "--strict", ...mapping])
  let peakMemory = 0
  const timer = setInterval(() => {
    if (child.isRunning()) peakMemory = Math.max(peakMemory, memoryOf(child.pid).peak)
  }, SAMPLE_MS)
  try {
    const summary = JSON.parse((await child.output).trim().split("\n").at(-1))
    const seconds = (performance.now() - began) / 1000
    if (summary.accepted !== last - first) throw new Error(JSON.stringify(summary))
    return { seconds, eventsPerSecond: (last - first) / seconds, peakMemory }
  } finally {
    clearInterval(timer)
  }
}

const heapOf = async (url) => {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(text)?.[1] ?? Number.NaN)
}

export const memory = async (options) => {
  const { events, clients, dir, settle, via } = options
  if (dir !== undefined && existsSync(dir))
    throw new Error(`${dir} exists: this begins with an empty directory`)
  const directory = dir ?? mkdtempSync(join(tmpdir(), "tidemark-bench-"))
  const visits = { ...options, to: Date.now() }
  const cut = Math.floor(events * FIRST_SHARE)
  const scratch = mkdtempSync(join(tmpdir(), "tidemark-bench-csv-"))
  const stretches = [
    { first: 0, last: cut, file: join(scratch, "first.csv") },
    { first: cut, last: events, file: join(scratch, "rest.csv") },
  ]
  if (via === "csv") await writeCsv(visits, stretches)
  const server = await serve(directory, SECRET)
  const sampler = new Sampler(server.pid)
  const parts = []
  try {
    for (const stretch of stretches) {
      const { last } = stretch
      const sent =
        via === "csv"
          ? await importCsv(server.url, join(scratch, `state-${last}.json`), stretch)
          : await json([sender, server.url, JSON.stringify({ ...visits, ...stretch })])
      const loaded = sampler.last(Math.min(30_000, sent.seconds * 500))
      const drainMs = await untilLevel(server.url)
      await pause(settle * 1000)
      const settled = sampler.last(Math.min(LOOK_MS, settle * 1000))
      const heap = await heapOf(server.url)
      parts.push({ last, sent, loaded, drainMs, settled, heap, peak: memoryOf(server.pid).peak })
      console.error(`${count(last)} events: resident ${megabytes(settled.resident)} settled`)
    }
  } finally {
    sampler.stop()
    await server.stop()
    rmSync(scratch, { recursive: true, force: true })
  }
  print(parts, options, directory)
  if (dir === undefined) rmSync(directory, { recursive: true, force: true })
  return { growth: parts[1].settled.resident / parts[0].settled.resident, clients }
}

const mb = (bytes) => count(bytes / 1e6)

const print = (parts, { events, clients, batch, connections, settle, via }, directory) => {
  const how = via === "csv" ? "from CSV" : `over HTTP, ${batch} a request, ${connections} connections`
  console.log(
    `\nImport of ${count(events)} events of ${count(clients)} clients ${how}, ${cpus().length} cores:\n`,
  )
  console.log(
    table(
      [
        "after events",
        "events/s",
        "loaded MB",
        "settled MB",
        "of it own",
        "of it files",
        "heap of main",
        "peak",
        "drained s",
        "importer MB",
      ],
      parts.map(({ last, sent, loaded, settled, heap, peak, drainMs }) => [
        count(last),
        count(sent.eventsPerSecond),
        mb(loaded.resident),
        mb(settled.resident),
        mb(settled.own),
        mb(settled.files),
        mb(heap),
        mb(peak),
        (drainMs / 1000).toFixed(1),
        mb(sent.peakMemory),
      ]),
    ),
  )
  const [early, late] = parts
  const growth = (name) => late[name].resident / early[name].resident
  console.log(
    `\nResident memory at the end over that at ${count(early.last)} events, ${settle} s after the import: ${growth("settled").toFixed(2)} × (target ${GROWTH} ×: ${verdict(growth("settled") <= GROWTH)}); under load ${growth("loaded").toFixed(2)} ×.`,
  )
  console.log(`\nOn disk:\n`)
  const files = buildFiles(join(directory, "readmodels")).map(([, file]) => file)
  const sizeOfAll = (end) => files.reduce((sum, file) => sum + sizeOf(file + end), 0)
  const rows = [
    ...["log", "index", "keys", "quarantine"].map((name) => [`${name}/`, sizeOf(join(directory, name))]),
    ["readmodels/, databases", sizeOfAll("")],
    ["readmodels/, write-ahead logs: bounded, whatever the events", sizeOfAll("-wal")],
  ]
  const sum = rows.reduce((all, [, bytes]) => all + bytes, 0)
  const details = [...logTables(directory), ...keyTables(directory)].filter(({ bytes }) => bytes > events)
  const line = ([name, bytes]) => [name, (bytes / 1e6).toFixed(1), (bytes / events).toFixed(1)]
  console.log(table(["what", "MB", "bytes an event"], [...rows, ["all", sum]].map(line)))
  console.log("")
  console.log(
    table(
      ["table or index", "MB", "bytes an event"],
      details.map(({ name, bytes }) => line([name, bytes])),
    ),
  )
  console.log("")
  console.log(
    table(
      ["collection", "rows", "MB", "bytes an event"],
      collectionsOf(join(directory, "readmodels"), events),
    ),
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      events: { type: "string", default: "1000000" },
      clients: { type: "string" },
      dir: { type: "string" },
      batch: { type: "string", default: "500" },
      connections: { type: "string", default: "4" },
      settle: { type: "string", default: "60" },
      seed: { type: "string", default: "7" },
      via: { type: "string", default: "csv" },
    },
  })
  if (values.via !== "csv" && values.via !== "http") throw new Error("--via is csv or http")
  const events = Number(values.events)
  await memory({
    events,
    via: values.via,
    clients: Number(values.clients ?? Math.ceil(events / 10)),
    dir: values.dir,
    batch: Number(values.batch),
    connections: Number(values.connections),
    settle: Number(values.settle),
    seed: Number(values.seed),
  })
}
