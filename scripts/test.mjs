// `npm test`: installs what is missing, builds, checks the code and runs every test.
//   npm test                  everything
//   npm test -- FILTER …      only test files whose path contains one of the filters, without the checks
//   npm test -- --stores=all  everything that depends on the stores, on all of them
//   npm test -- --help
import { join } from "node:path"
import { buildingMongoServer } from "./mongoServer.mjs"
import { build, install, root, run } from "./prepare.mjs"
import { onAllStores } from "./testStores.mjs"

const args = process.argv.slice(2)
const help = `npm test                    format, lint, import directions, types, then every test
npm test -- FILTER …        only the test files whose path contains a filter
npm test -- --stores=all    the contract suites of all adapters, then numbers, dedupe, kill -9, verify and the
                            faults of stores on all four pairs: embedded or EventStoreDB with embedded or MongoDB.
                            On real servers:
                            EVENTSTOREDB_URL=esdb://… MONGODB_URL=mongodb://… npm test -- --stores=all
npm run soak                the fault tests at full length
npm run bench               the benchmarks

Variables:
  EVENTSTOREDB_URL            a real server, esdb://…: tests use streams of their own on it. What is killed and frozen
                              is the stand-in of the tests
  MONGODB_URL                 the same, mongodb://…: tests use databases of their own (default: one built with Go)
  TIDEMARK_TEST_EVENT_LOG     embedded, or eventstoredb: the log that Tidemark runs on in the tests of the whole program
  TIDEMARK_TEST_READ_MODELS   embedded, or mongodb: the same for the read models
  TIDEMARK_TEST_SEED          seed of the random tests (printed by each of them)
  TIDEMARK_TEST_DATA          directory of the real inputs that some tests read (default: ../shared/data)
`
if (args.includes("--help") || args.includes("-h")) {
  console.log(help)
  process.exit(0)
}
const stores = args.find((arg) => arg.startsWith("--stores"))
if (stores !== undefined && (stores !== "--stores=all" || args.length > 1)) {
  console.error(`It is --stores=all, without anything else.\n\n${help}`)
  process.exit(1)
}

// The longest of what has to be made on a fresh clone: it is made while packages are installed and checked.
const mongoServer = buildingMongoServer()
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
            "packages/monitor/src",
          ],
        ],
        ["types", [tool("typescript", "bin", "tsc"), "-p", "tsconfig.json"]],
      ]
const failed = checks.filter(([name, command]) => {
  console.log(`── ${name}`)
  return run(process.execPath, command) !== 0
})
await mongoServer
console.log("── tests")
const vitest = [tool("vitest", "vitest.mjs"), "run"]
const tests = stores === undefined ? run(process.execPath, [...vitest, ...args]) : onAllStores(vitest)
if (args.length === 0 && process.env.EVENTSTOREDB_URL === undefined) {
  console.error(
    "SKIPPED: the contract of the event log on a real EventStoreDB. Set EVENTSTOREDB_URL to run it.",
  )
}
for (const [name] of failed) console.error(`failed: ${name}`)
process.exit(failed.length > 0 ? 1 : tests)
