// `npm test -- --stores=all`: the contracts of all adapters, then the tests of the whole program on each pair.
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "./prepare.mjs"

const CONTRACTS = ["test/contract", "test/fault/eventStore", "test/fault/mongo"]
const WHOLE_PROGRAM = [
  "test/api/numbers.test.ts",
  "test/api/numbersDirected.test.ts",
  "test/api/dedupe.test.ts",
  "test/fault/killNine.test.ts",
  "test/fault/stores.test.ts",
  "test/fault/twoPrograms.test.ts",
]
const pairs = ["embedded", "eventstoredb"].flatMap((log) =>
  ["embedded", "mongodb"].map((models) => [log, models]),
)

/** What the report of a run says; a run that left none has failed. */
const counted = (file, status) => {
  try {
    const report = JSON.parse(readFileSync(file, "utf8"))
    const { numPassedTests: passed, numPendingTests, numTodoTests } = report
    const failed = Math.max(report.numFailedTests, report.numFailedTestSuites > 0 || status !== 0 ? 1 : 0)
    return { passed, failed, skipped: numPendingTests + numTodoTests }
  } catch (error) {
    console.error(`no test report: ${error.message}`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

/** Runs everything, whatever fails, and prints a line for each part. Gives the exit code. */
export const onAllStores = (vitest) => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-stores-"))
  const parts = [
    ["contracts and traps of the adapters", CONTRACTS, {}],
    ...pairs.map(([log, models]) => [
      `${log} × ${models}`,
      WHOLE_PROGRAM,
      { TIDEMARK_TEST_EVENT_LOG: log, TIDEMARK_TEST_READ_MODELS: models },
    ]),
  ]
  try {
    const results = parts.map(([name, files, chosen], index) => {
      console.log(`\n── ${name}`)
      const report = join(directory, `${index}.json`)
      const began = performance.now()
      const env = { ...process.env, ...chosen, TIDEMARK_TEST_REPORT: report }
      // One file at a time: each of them presses on servers of its own.
      const status = run(process.execPath, [...vitest, "--no-file-parallelism", ...files], { env })
      return { name, seconds: (performance.now() - began) / 1000, ...counted(report, status) }
    })
    const servers = [
      ["EventStoreDB", process.env.EVENTSTOREDB_URL, "the stand-in of the tests"],
      ["MongoDB", process.env.MONGODB_URL, "FerretDB"],
    ].map(
      ([name, named, other]) =>
        `${name}: ${named === undefined ? other : `the server that was named; what is killed and frozen is ${other}`}`,
    )
    console.log(`\n── all stores (${servers.join(", ")})`)
    for (const { name, passed, failed, skipped, seconds } of results) {
      const left = skipped > 0 ? `, ${skipped} skipped` : ""
      console.log(`${name.padEnd(36)} ${passed} passed, ${failed} failed${left} (${seconds.toFixed(0)} s)`)
    }
    return results.every(({ passed, failed }) => failed === 0 && passed > 0) ? 0 : 1
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
