// Folds a log into one projection as a rebuild's thread does, stretch after stretch and into a file, and nothing beside
// it: without the program, its other threads, and what is not recorded long ago. Prints JSON: µs of CPU an event for
// each pass, as V8 compiles in the first one, and a digest of the documents of the last one, so that two versions of
// the code can be compared.
//   taskset -c 1 node --max-semi-space-size=64 bench/support/foldPast.mjs LOG-DIRECTORY [PROJECTION] [PASSES]
import { createHash } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "@photostructure/sqlite"
import { Effect, Stream } from "effect"
import { DiskReader } from "../../dist/eventlog/embedded/DiskReader.js"
import { pastOf } from "../../dist/eventlog/embedded/Past.js"
import { BuildFold } from "../../dist/processors/BuildFold.js"
import { mostOfPast, mostUnwritten } from "../../dist/processors/FoldGroup.js"
import { foldPast } from "../../dist/processors/PastFold.js"
import { definitionOf } from "../../dist/processors/Projection.js"
import { WorkingSet } from "../../dist/processors/WorkingSet.js"
import { projections } from "../../dist/projections/index.js"
import { BuildFile } from "../../dist/readmodels/embedded/BuildFile.js"
import { databaseFile } from "../../dist/readmodels/embedded/Tables.js"
import { usage } from "./usage.mjs"

const [logDirectory, name = "metrics", passes = "2"] = process.argv.slice(2)
const projection = projections.find((one) => one.name === name)
if (projection === undefined) throw new Error(`there is no projection ${name}`)

/** Documents in all, and what they and their keys hash to, in order. */
const digestOf = (file) => {
  const database = new DatabaseSync(file, { readOnly: true })
  const hash = createHash("sha256")
  let documents = 0
  try {
    for (const collection of projection.collections.toSorted()) {
      const table = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?").get(collection)
      if (table === undefined) continue
      for (const { key, doc } of database
        .prepare(`SELECT key, doc FROM "${collection}" ORDER BY key`)
        .iterate()) {
        hash.update(`${collection}\n${key}\n${doc}\n`)
        documents++
      }
    }
  } finally {
    database.close()
  }
  return { documents, digest: hash.digest("hex").slice(0, 16) }
}

const pass = async () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-bench-"))
  const reader = new DiskReader(logDirectory)
  const file = new BuildFile(directory, "bench", "writer")
  try {
    const working = new WorkingSet((collection, key) => file.loadNow({ collection, key }))
    const build = { id: "bench", definition: definitionOf(projection), projection: name }
    const fold = new BuildFold(build, projection, new Map(), working)
    const options = {
      ...mostUnwritten(1),
      wish: () => "GoOn",
      write: (_, puts, checkpoints) => Effect.sync(() => file.commit(puts, checkpoints)),
    }
    const measured = usage()
    let events = 0
    await Effect.runPromise(
      pastOf(
        reader,
        Effect.try,
      )({ after: "0", most: mostOfPast(1) }).pipe(
        Stream.runForEach((past) =>
          Effect.map(foldPast([fold], past, options), (outcome) => {
            if (outcome !== "Folded") throw new Error(`a stretch up to ${past.upTo}: ${outcome}`)
            events += past.events
          }),
        ),
      ),
    )
    const { cpuSeconds } = measured()
    if (fold.stopped !== undefined) throw new Error(JSON.stringify(fold.stopped))
    file.close()
    return { events, cpu: (cpuSeconds / events) * 1e6, ...digestOf(databaseFile(directory, "bench")) }
  } finally {
    reader.close()
    file.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

const cpu = []
let last
for (let i = 0; i < Number(passes); i++) {
  last = await pass()
  cpu.push(Number(last.cpu.toFixed(2)))
}
console.log(JSON.stringify({ ...last, cpu }))
