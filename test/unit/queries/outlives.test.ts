import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, it } from "vitest"

const script = fileURLToPath(new URL("../../support/askAndForget.mjs", import.meta.url))

/** MB before and after each scavenge, as V8 says. */
const scavenges = (text: string): ReadonlyArray<readonly [number, number]> =>
  [...text.matchAll(/Scavenge ([\d.]+) \([\d.]+\) -> ([\d.]+)/g)].map(
    ([, before, after]) => [Number(before), Number(after)] as const,
  )

it("what was read for a question is garbage when it is answered (decision 0034)", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", "--trace-gc", script], {
    maxBuffer: 1 << 24,
  })
  const seen = scavenges(stdout.slice(stdout.indexOf("BEGIN")))
  let made = 0
  let kept = 0
  for (let at = 1; at < seen.length; at++) {
    const [before, after] = seen[at] ?? [0, 0]
    const [, last] = seen[at - 1] ?? [0, 0]
    made += before - last
    // A full collection between two scavenges takes back what was kept.
    kept += Math.max(0, after - last)
  }
  expect(made).toBeGreaterThan(100)
  expect(kept / made).toBeLessThan(0.1)
})
