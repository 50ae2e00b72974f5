import { performance } from "node:perf_hooks"

/** Tells how much of the calling thread's time was work since it was last asked, 0 to 1. */
export const utilizationSince = (): (() => number) => {
  let before = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    return utilization
  }
}
