import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Collects the garbage of the calling thread, at once and all of it. Node.js has no other way to ask for that. */
export const garbageCollector = (): (() => void) => {
  setFlagsFromString("--expose-gc")
  return runInNewContext("gc") as () => void
}
