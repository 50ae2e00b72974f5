// `npm test`: installs what is missing, builds, checks the code and runs every test.
//   npm test                  everything
//   npm test -- FILTER …      only test files whose path contains one of the filters, without the checks
//   npm test -- --help
import { join } from "node:path"
import { build, install, root, run } from "./prepare.mjs"

const args = process.argv.slice(2)
if (args.includes("--help") || args.includes("-h")) {
  console.log(`npm test                 format, lint, import directions, types, then every test
npm test -- FILTER …     only the test files whose path contains a filter
npm run soak             the fault tests at full length
npm run bench            the benchmarks

Variables:
  TIDEMARK_TEST_SEED     seed of the random tests (printed by each of them)
  TIDEMARK_TEST_EVENT_LOG    embedded, or eventstoredb: the log that Tidemark runs on in the tests of the whole program
  TIDEMARK_TEST_READ_MODELS  embedded, or mongodb: the same for the read models
  EVENTSTOREDB_URL           a real server, esdb://…: the contract of the event log is held against it as well
  MONGODB_URL                a server for the tests of MongoDB (default: one that is built with Go)
  TIDEMARK_TEST_DATA     directory of the real inputs that some tests read (default: ../shared/data)
`)
  process.exit(0)
}

install()
build()
const tool = (...path) => join(root, "node_modules", ...path)
const checks =
  args.length > 0
    ? []
    : [
        ["format and lint", [tool("@biomejs", "biome", "bin", "biome"), "check", "."]],
        [
          "import directions",
          [
            tool("dependency-cruiser", "bin", "dependency-cruise.mjs"),
            "--config",
            ".dependency-cruiser.cjs",
            "src",
          ],
        ],
        ["types", [tool("typescript", "bin", "tsc"), "-p", "tsconfig.json"]],
      ]
const failed = checks.filter(([name, command]) => {
  console.log(`── ${name}`)
  return run(process.execPath, command) !== 0
})
console.log("── tests")
const tests = run(process.execPath, [tool("vitest", "vitest.mjs"), "run", ...args])
if (args.length === 0 && process.env.EVENTSTOREDB_URL === undefined) {
  console.error(
    "SKIPPED: the contract of the event log on a real EventStoreDB. Set EVENTSTOREDB_URL to run it.",
  )
}
for (const [name] of failed) console.error(`failed: ${name}`)
process.exit(failed.length > 0 ? 1 : tests)
