import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"

interface Owner {
  readonly pid: number
  readonly host: string
  /** When the process began, in the kernel's ticks; undefined where there is no `/proc`. */
  readonly began?: string | undefined
}

/** Directories that this process holds: two monitors on one would mix their segments. */
const held = new Set<string>()

/** A process id is given again; together with its start it is not. */
const beganAt = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]
  } catch {
    return undefined
  }
}

const isAlive = ({ pid, host, began }: Owner): boolean => {
  // Another machine, or another container, can't be asked: its process counts as gone.
  if (host !== hostname() || pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (cause) {
    if ((cause as { readonly code?: string }).code !== "EPERM") return false
  }
  return began === undefined || beganAt(pid) === began
}

const ownerOf = (file: string): Owner | undefined => {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Owner
  } catch {
    return undefined
  }
}

/**
 * Makes a spool directory this monitor's own. A process that was killed leaves its lock: the next one takes it over.
 * @throws when another monitor that runs has it
 */
export const lock = (directory: string): (() => void) => {
  const file = join(directory, "lock")
  const owner = ownerOf(file)
  if (held.has(directory) || (owner !== undefined && isAlive(owner))) {
    throw new Error(
      `the spool ${directory} is used by process ${owner?.pid ?? process.pid}: give each monitor a directory of its own`,
    )
  }
  const own: Owner = { pid: process.pid, host: hostname(), began: beganAt(process.pid) }
  writeFileSync(file, JSON.stringify(own), { mode: 0o600 })
  held.add(directory)
  return () => {
    held.delete(directory)
    rmSync(file, { force: true })
  }
}
