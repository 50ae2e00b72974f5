import { readlinkSync } from "node:fs"
import { setPriority } from "node:os"

/** Weight of about a third of a normal thread's, when both want the same core. */
const NICE = 5

/**
 * Lets threads that answer requests go first when processors are short; work that is late is caught up with
 * when they are not. On Linux, where a thread's priority is its own; elsewhere nothing changes, and it
 * returns false.
 */
export const yieldToRequests = (): boolean => {
  try {
    const thread = Number(/\/task\/(\d+)$/.exec(readlinkSync("/proc/thread-self"))?.[1])
    if (!Number.isInteger(thread)) return false
    setPriority(thread, NICE)
    return true
  } catch {
    return false
  }
}
