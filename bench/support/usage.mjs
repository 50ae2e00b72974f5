import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"

/** Begins to measure this process: call what comes for seconds, CPU seconds of all threads, and peak memory. */
export const usage = () => {
  const began = performance.now()
  const before = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(before)
    return {
      seconds: (performance.now() - began) / 1000,
      cpuSeconds: (user + system) / 1e6,
      /** Bytes; since the process began. */
      peakMemory: process.resourceUsage().maxRSS * 1024,
    }
  }
}

/** Bytes of all files in a directory and below; 0 when there is none. */
export const sizeOf = (path) => {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 0
  if (!found.isDirectory()) return found.size
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}
