import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type Counts, meaningOf } from "../import/State.js"
import { replaceFile } from "../replaceFile.js"

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

export const saveFollowState = (path: string, state: FollowState): void =>
  replaceFile(path, `${JSON.stringify(state)}\n`)
