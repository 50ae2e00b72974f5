// `npm run bench`: installs and builds what is missing, then runs every benchmark.
import { join } from "node:path"
import { build, install, root, run } from "./prepare.mjs"

if (process.argv.includes("--help")) {
  console.log(`npm run bench                                every benchmark
npm run bench -- --runs 1 --seconds 5        a quick look`)
  process.exit(0)
}
install()
build()
process.exit(run(process.execPath, [join(root, "bench", "ingest.mjs"), ...process.argv.slice(2)]))
