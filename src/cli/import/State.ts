import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { replaceFile } from "../replaceFile.js"
import { type Fingerprint, HEAD, headHash, type Source } from "./Source.js"

/** What an import has done so far, over all its runs. */
export interface Counts {
  /** Lines or rows read. */
  readonly records: number
  readonly sent: number
  readonly accepted: number
  readonly duplicates: number
  /** Events that the server refused. */
  readonly rejected: number
  /** Records that gave no event because they can't be read. */
  readonly unreadable: number
  /** How often something happened that is worth knowing. */
  readonly notes: Readonly<Record<string, number>>
}

export const noCounts: Counts = {
  ...{ records: 0, sent: 0, accepted: 0, duplicates: 0, rejected: 0, unreadable: 0 },
  notes: {},
}

/** Everything before `offset` has been taken by the server, or reported. */
export interface ImportState {
  readonly v: 1
  readonly source: string
  /** Of what events are made of: with another meaning, the file is read from its beginning. */
  readonly meaning: string
  readonly fingerprint: Fingerprint
  readonly done: boolean
  readonly offset: number
  readonly line: number
  /** What the format has to know in the middle of the file. */
  readonly memory?: ReadonlyArray<string>
  readonly counts: Counts
}

/** Where to begin, and why. */
export type Beginning =
  | { readonly _tag: "Fresh" }
  | { readonly _tag: "Resume"; readonly state: ImportState }
  /** The file, or what is made of it, is not what it was: from its beginning, which counts nothing twice. */
  | { readonly _tag: "Again"; readonly because: "OTHER_OPTIONS" | "IMPORTED" | "CHANGED" }
  /** Another file under the same name: its events would pass for repetitions of the first one's. */
  | { readonly _tag: "OtherFile" }

const isChanged = (was: Fingerprint, now: Pick<Source, "size" | "mtimeMs">): boolean =>
  was.size !== now.size
    ? was.size === undefined || now.size === undefined || now.size < was.size
    : was.mtimeMs !== now.mtimeMs

export const beginning = (
  state: ImportState | undefined,
  source: Pick<Source, "head" | "size" | "mtimeMs">,
  meaning: string,
): Beginning => {
  if (state === undefined) return { _tag: "Fresh" }
  const { fingerprint } = state
  const { headBytes } = fingerprint
  if (headBytes > source.head.length || headHash(source.head.subarray(0, headBytes)) !== fingerprint.head) {
    return { _tag: "OtherFile" }
  }
  if (state.meaning !== meaning) return { _tag: "Again", because: "OTHER_OPTIONS" }
  if (state.done) return { _tag: "Again", because: "IMPORTED" }
  if (isChanged(fingerprint, source)) return { _tag: "Again", because: "CHANGED" }
  // A file this short could have grown into another one after its head.
  return headBytes === 0 ? { _tag: "Fresh" } : { _tag: "Resume", state }
}

const digest = (parts: ReadonlyArray<string>): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex")

export const meaningOf = (...parts: ReadonlyArray<string>): string => digest(parts).slice(0, 16)

/** The state file of one source that is imported to one server for one merchant. */
export const stateFileIn = (dataDir: string, url: string, source: string, merchant: string): string =>
  join(dataDir, "imports", `${digest([url, source, merchant]).slice(0, 16)}.json`)

const parseState = (text: string): ImportState | undefined => {
  try {
    const state = JSON.parse(text) as ImportState
    return state.v === 1 && state.fingerprint.headBytes <= HEAD ? state : undefined
  } catch {
    return undefined
  }
}

/** The state that a file holds; undefined when there is no such file. Throws when it is of something else. */
export const loadState = (file: string, source: string): ImportState | undefined => {
  if (!existsSync(file)) return undefined
  const state = parseState(readFileSync(file, "utf8"))
  if (state === undefined) {
    throw new Error(`${file} is no state of an import: give --restart to begin again, or another --state`)
  }
  if (state.source !== source) {
    throw new Error(`${file} belongs to the import of "${state.source}": give another --state`)
  }
  return state
}

export const saveState = (file: string, state: ImportState): void =>
  replaceFile(file, `${JSON.stringify(state)}\n`)
