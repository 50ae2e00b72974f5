import { readlinkSync } from "node:fs"
import { setPriority } from "node:os"

/**
 * Weights of about four fifths, and a thirtieth, of a normal thread's, when both want the same core. With less, numbers
 * came to be late by seconds on a machine whose cores are all busy, though folding had the time.
 */
const NICE = { late: 1, last: 15 } as const

/**
 * Lets threads that answer requests go first when processors are short; work that is late is caught up with
 * when they are not, and what nobody waits for comes last. On Linux, where a thread's priority is its own;
 * elsewhere nothing changes, and it returns false.
 */
export const yieldToRequests = (how: keyof typeof NICE = "late"): boolean => {
  try {
    const thread = Number(/\/task\/(\d+)$/.exec(readlinkSync("/proc/thread-self"))?.[1])
    if (!Number.isInteger(thread)) return false
    setPriority(thread, NICE[how])
    return true
  } catch {
    return false
  }
}
