import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Runs once before all tests: builds the MongoDB-protocol server where no other is named. */
export default (): void => {
  const built = spawnSync(process.execPath, [join(root, "scripts", "mongoServer.mjs"), "--program"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  })
  if (built.status === 0) {
    process.env.TIDEMARK_TEST_MONGO_PROGRAM = built.stdout.trim()
    return
  }
  const missing =
    "There is no MongoDB-protocol server that tests can start, kill and freeze: it takes Go 1.22 or later to build one"
  if (process.env.CI !== undefined && process.env.MONGODB_URL === undefined) throw new Error(missing)
  console.error(`\n!!! ${missing}.`)
  console.error(
    process.env.MONGODB_URL === undefined
      ? "!!! SKIPPED: everything about MongoDB. Install Go, or set MONGODB_URL.\n"
      : "!!! SKIPPED: the fault tests of MongoDB. The others use MONGODB_URL.\n",
  )
}
