import { getHeapStatistics } from "node:v8"
import { garbageCollector } from "./garbageCollector.js"
import { utilizationSince } from "./utilization.js"

const LOOK_MS = 5_000
/** At rest: so much of the time since the last look was spent in work, at most. */
const AT_REST = 0.05
/** Growth of the heap since it was last collected that is worth a pause. */
const GROWTH = 32 << 20

/**
 * V8 collects when a heap has grown, not when there is time for it: after much work a thread that has little to do
 * keeps what it threw away for as long as that stays so, a hundred megabytes and more. To be called once in the thread
 * that it is for.
 */
export const collectAtRest = (lookMs = LOOK_MS): void => {
  const collect = garbageCollector()
  const heap = () => getHeapStatistics().total_physical_size
  let kept = heap()
  const utilization = utilizationSince()
  setInterval(() => {
    const isAtRest = utilization() <= AT_REST
    const size = heap()
    kept = Math.min(kept, size)
    if (!isAtRest || size - kept < GROWTH) return
    collect()
    kept = heap()
  }, lookMs).unref()
}
