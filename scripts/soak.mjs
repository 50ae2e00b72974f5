// `npm run soak`: the fault tests and the random tests of the numbers at full length; output in docs/soak.txt.
import { spawn, spawnSync } from "node:child_process"
import { createWriteStream } from "node:fs"
import { join } from "node:path"
import { build, install, root, run } from "./prepare.mjs"

if (process.argv.includes("--help")) {
  console.log(`npm run soak              every fault test and every random test of the numbers at full length; output in docs/soak.txt
npm run soak -- FILTER …  only the fault tests whose path contains a filter; output on the screen alone`)
  process.exit(0)
}
install()
build()
if (spawnSync("strace", ["-V"]).status !== 0) {
  console.error("Installing strace for the system call trace …")
  if (run("apt-get", ["install", "-y", "-qq", "strace"]) !== 0) {
    console.error("strace could not be installed: install it by hand, then run the soak again.")
    process.exit(1)
  }
}
const filters = process.argv.slice(2)
const file = filters.length > 0 ? undefined : createWriteStream(join(root, "docs", "soak.txt"))
const child = spawn(
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    "--no-file-parallelism",
    "--reporter=verbose",
    ...(filters.length > 0 ? filters : ["test/fault", "test/api/numbers", "test/unit/projections"]),
  ],
  {
    cwd: root,
    env: { ...process.env, TIDEMARK_SOAK: "1", NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  },
)
file?.write(`npm run soak, ${new Date().toISOString().slice(0, 10)}, Node.js ${process.versions.node}\n\n`)
for (const stream of [child.stdout, child.stderr]) {
  stream.on("data", (text) => {
    process.stdout.write(text)
    file?.write(String(text).replaceAll(root, "."))
  })
}
child.on("exit", (code) => {
  file?.end()
  process.exitCode = code ?? 1
})
