import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { expect, it } from "vitest"

/** Makes 200 MB that is garbage at once, and then rests; says the size of its heap before and after. */
const resting = (isCollected: boolean) => `
  import { parentPort } from "node:worker_threads"
  import { getHeapStatistics } from "node:v8"
  import { collectAtRest } from "${new URL("../../../dist/threads/collectAtRest.js", import.meta.url).href}"
  const heap = () => getHeapStatistics().total_physical_size
  if (${isCollected}) collectAtRest(200)
  let much = Array.from({ length: 2_000_000 }, (_, at) => ({ at, also: { at } }))
  const full = heap()
  much = undefined
  setTimeout(() => parentPort.postMessage({ full, rested: heap() }), 1_500)
`

const heapsOf = async (isCollected: boolean): Promise<{ full: number; rested: number }> => {
  const code = `data:text/javascript,${encodeURIComponent(resting(isCollected))}`
  const worker = new Worker(new URL(code))
  const [heaps] = await once(worker, "message")
  await worker.terminate()
  return heaps
}

it("a thread at rest gives back what it has thrown away, which it would keep otherwise", async () => {
  const collected = await heapsOf(true)
  expect(collected.full).toBeGreaterThan(100e6)
  expect(collected.rested).toBeLessThan(collected.full / 3)
  const left = await heapsOf(false)
  expect(left.rested).toBeGreaterThan(left.full / 2)
})
