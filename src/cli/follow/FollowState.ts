import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs"
import { dirname, join } from "node:path"
import { type Counts, meaningOf } from "../import/State.js"

/** Everything before `offset` of the generation has been taken by the server, or reported; so has all before it. */
export interface FollowState {
  readonly v: 1
  /** Path of the log. */
  readonly file: string
  /** What events' ids begin with in this generation. */
  readonly source: string
  readonly firstLine: string
  readonly offset: number
  readonly line: number
  /** When the generation was last written to, as far as was seen. */
  readonly mtimeMs: number
  readonly counts: Counts
}

/** The state file of one log that is followed for one merchant into one server. */
export const followStateIn = (dataDir: string, url: string, file: string, merchant: string): string =>
  join(dataDir, "follow", `${meaningOf(url, file, merchant)}.json`)

/** Undefined when there is none yet. Throws when it is of something else. */
export const loadFollowState = (path: string, file: string): FollowState | undefined => {
  if (!existsSync(path)) return undefined
  const state = JSON.parse(readFileSync(path, "utf8")) as FollowState
  if (state.v !== 1 || state.file !== file) {
    throw new Error(`${path} is no state of following ${file}: give another --state`)
  }
  return state
}

/** Replaces the file as a whole, on the disk: it holds the old state or the new one. */
export const saveFollowState = (path: string, state: FollowState): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const file = openSync(`${path}.new`, "w", 0o600)
  writeSync(file, `${JSON.stringify(state)}\n`)
  fsyncSync(file)
  closeSync(file)
  renameSync(`${path}.new`, path)
}
