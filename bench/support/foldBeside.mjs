// Folds a log with this checkout and with another one (built, with its node_modules) at once, each held to a core of
// its own, which they swap from round to round: a machine that is slower for a while is so for both. Prints what the
// other takes, what this one takes (µs of CPU an event, pass after pass), and the geometric mean of the ratios without
// the first passes, in which V8 compiles. Fails when their documents differ.
//   node bench/support/foldBeside.mjs OTHER-CHECKOUT LOG-DIRECTORY [PROJECTION] [ROUNDS] [PASSES]
import { spawn } from "node:child_process"
import { join, resolve } from "node:path"
import { root } from "./program.mjs"

const [other, log, projection = "metrics", rounds = "4", passes = "4"] = process.argv.slice(2)

const fold = (checkout, core) =>
  new Promise((done, failed) => {
    const script = join(checkout, "bench/support/foldPast.mjs")
    const command = ["-c", String(core), process.execPath, "--max-semi-space-size=64", script]
    const child = spawn("taskset", [...command, resolve(log), projection, passes], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    let text = ""
    child.stdout.on("data", (some) => {
      text += some
    })
    child.on("error", failed)
    child.on("close", (code) =>
      code === 0 ? done(JSON.parse(text)) : failed(new Error(`${script} ended with ${code}`)),
    )
  })

const logs = []
for (let round = 0; round < Number(rounds); round++) {
  const [before, now] = await Promise.all([fold(resolve(other), round % 2), fold(root, 1 - (round % 2))])
  if (before.digest !== now.digest) throw new Error(`documents differ: ${before.digest} and ${now.digest}`)
  console.log(`${before.cpu.join(" ")} → ${now.cpu.join(" ")}`)
  for (let pass = 1; pass < now.cpu.length; pass++) logs.push(Math.log(now.cpu[pass] / before.cpu[pass]))
}
const mean = Math.exp(logs.reduce((sum, one) => sum + one, 0) / logs.length)
console.log(`× ${mean.toFixed(3)} of ${logs.length} pairs`)
