import type { ChildProcess } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

const stateOf = (task: string): string => /\) (\S)/.exec(readFileSync(`${task}/stat`, "utf8"))?.[1] ?? ""

/** Stops a process where it is. A thread on another core goes on for a moment: on Linux, until none does. */
export const freeze = (child: ChildProcess | undefined): void => {
  child?.kill("SIGSTOP")
  if (child?.pid === undefined || process.platform !== "linux") return
  const tasks = `/proc/${child.pid}/task`
  while (readdirSync(tasks).some((task) => stateOf(`${tasks}/${task}`) !== "T"));
}
