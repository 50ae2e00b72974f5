// Opens an index as a restarted process does, asks it as the merchant's actor does, and prints how long the
// first answers took and what memory the index holds once it has read everything.
import { readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import { LevelStreamIndex } from "../../dist/actors/embedded/LevelStreamIndex.js"
import { eventId, streamNamespace } from "../../dist/domain/Ids.js"

const [directory, stream, count] = [process.argv[2], process.argv[3], Number(process.argv[4])]
const namespace = streamNamespace(stream)
/**
 * Memory of the process itself, in bytes. LevelDB reads its files through maps, and their pages count as
 * resident as well, but they are the system's cache: it takes them back when it wants.
 */
const memory = (name) =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024
const resident = () => {
  globalThis.gc()
  return memory("RssAnon")
}
const before = resident()
const began = performance.now()
const index = await LevelStreamIndex.open({ directory })
const entry = index.find(stream)
const idOf = (number) => eventId(namespace, `e-${number}`)
const isRight = (at) => index.has(idOf(at)) && !index.has(idOf(count + at))
let right = entry?.revision === count - 1
for (let at = 0; at < 100; at++) right &&= isRight(Math.floor((at * count) / 100))
const answeredMs = performance.now() - began
let most = resident()
const deadline = performance.now() + 120_000
while (!index.knowsAll && performance.now() < deadline) {
  await pause(500)
  most = Math.max(most, resident())
}
for (let at = 0; at < 5_000; at++) right &&= isRight(Math.floor((at * count) / 5_000))
most = Math.max(most, resident())
console.log(
  JSON.stringify({
    right,
    knowsAll: index.knowsAll,
    answeredMs,
    grownBytes: most - before,
    mappedBytes: memory("RssFile"),
  }),
)
await index.close()
