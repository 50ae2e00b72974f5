// The MongoDB adapter beside its bare client: the same documents in the same batches, committed by the adapter
// and written by plain bulkWrite. Alternates between the two in one run, and prints JSON.
//   --commits 20  --documents 300  --bytes 600  --runs 3   --url mongodb://… (default: MONGODB_URL, else the tests' server)
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Effect, Redacted } from "effect"
import { MongoClient } from "mongodb"
import { layer } from "../dist/readmodels/mongodb/MongoReadModels.js"
import { ReadModels } from "../dist/readmodels/ReadModels.js"
import { mongoServerProgram } from "../scripts/mongoServer.mjs"

const { values } = parseArgs({
  options: {
    commits: { type: "string", default: "20" },
    documents: { type: "string", default: "300" },
    bytes: { type: "string", default: "600" },
    runs: { type: "string", default: "3" },
    url: { type: "string" },
  },
})
const [commits, documents, bytes, runs] = [values.commits, values.documents, values.bytes, values.runs].map(
  Number,
)

/** The tests' server on a free port, until `stop`. */
const startServer = async () => {
  const program = mongoServerProgram()
  if (program === undefined) throw new Error("no server: set MONGODB_URL, or install Go to build one")
  const directory = mkdtempSync(join(tmpdir(), "tidemark-bench-"))
  const child = spawn(program, ["-directory", `${directory}/`, "-listen", "127.0.0.1:0"])
  child.stderr.resume()
  const url = await new Promise((resolve, reject) => {
    child.on("exit", () => reject(new Error("the server ended")))
    child.stdout.on("data", (text) => resolve(String(text).trim()))
  })
  return {
    url,
    stop: () => {
      child.kill("SIGKILL")
      rmSync(directory, { recursive: true })
    },
  }
}

const named = values.url ?? process.env.MONGODB_URL
const server = named === undefined ? await startServer() : { url: named, stop: () => {} }
const at = new URL(server.url)
at.pathname = `/bench-${process.pid}`
const url = String(at)

/** Half of each batch are documents of the batch before, as days and hours are that events go on coming for. */
const batches = Array.from({ length: commits }, (_, batch) =>
  Array.from({ length: documents }, (_, i) => ({
    collection: i % 3 === 0 ? "days" : i % 3 === 1 ? "values" : "facts",
    key: `m-${String((batch * documents) / 2 + i).padStart(9, "0")}\u0001UTC\u000100000001795219`,
    doc: { n: batch, text: "x".repeat(Math.max(0, bytes - 20)) },
  })),
)

const client = new MongoClient(url, { writeConcern: { w: "majority" } })
const info = await client.db().command({ buildInfo: 1 })
const statements = "ferretdbVersion" in info ? 40 : 1_000

const bare = async (run) => {
  const began = performance.now()
  for (const batch of batches) {
    for (const name of ["days", "values", "facts"]) {
      const some = batch.filter(({ collection }) => collection === name)
      for (let from = 0; from < some.length; from += statements) {
        await client
          .db()
          .collection(`bare${run}.${name}`)
          .bulkWrite(
            some.slice(from, from + statements).map(({ key, doc }) => ({
              replaceOne: { filter: { _id: key }, replacement: { d: JSON.stringify(doc) }, upsert: true },
            })),
            { ordered: false },
          )
      }
    }
  }
  return performance.now() - began
}

const adapter = (run) =>
  Effect.gen(function* () {
    const store = yield* ReadModels
    // Opening is not measured.
    yield* store.commit(`bench-${run}`, [], new Map())
    const began = performance.now()
    for (const [index, batch] of batches.entries()) {
      const checkpoint = { position: String(index + 1), recordedAt: index }
      yield* store.commit(`bench-${run}`, batch, new Map([[0, checkpoint]]))
    }
    return performance.now() - began
  })

const main = Effect.gen(function* () {
  const rates = []
  const perSecond = (ms) => Math.round((commits * documents) / (ms / 1000))
  for (let run = 0; run < runs; run++) {
    const one = perSecond(yield* Effect.promise(() => bare(run)))
    const other = perSecond(yield* adapter(run))
    rates.push({ bare: one, adapter: other, ratio: Number((other / one).toFixed(2)) })
  }
  const ratios = rates.map(({ ratio }) => ratio).sort((a, b) => a - b)
  return {
    server: "ferretdbVersion" in info ? "FerretDB" : `MongoDB ${info.version}`,
    commits,
    documents,
    bytes,
    documentsPerSecond: rates,
    medianRatio: ratios[Math.floor(ratios.length / 2)],
  }
}).pipe(Effect.provide(layer({ url: Redacted.make(url) })))

try {
  console.log(JSON.stringify(await Effect.runPromise(main), null, 2))
} finally {
  await client.db().dropDatabase()
  await client.close()
  server.stop()
}
