import { basename, resolve } from "node:path"
import { adminKey, dataDirectoryHere } from "../adminKey.js"
import { EventSender } from "../client/EventSender.js"
import { openSource } from "../import/Source.js"
import { beginning, loadState, stateFileIn } from "../import/State.js"
import { printSummary } from "../import/summary.js"
import { Follower } from "./Follower.js"
import { type FollowState, followStateIn, loadFollowState, saveFollowState } from "./FollowState.js"

export interface FollowGiven {
  readonly url: string
  readonly key?: string
  readonly merchant?: string
  readonly source?: string
  readonly state?: string
  readonly settle: number
  readonly json: boolean
}

/** Reports that are shown. All of them are counted. */
const SHOWN = 10
const POLL_MS = 250
const SAVE_EVERY_MS = 1_000
const PROGRESS_EVERY_MS = 60_000

/** Keeps the newest state in memory and puts it on the disk once a second: what is sent again counts once. */
const saving = (
  path: string,
): { readonly save: (state: FollowState) => void; readonly flush: () => void } => {
  let waiting: FollowState | undefined
  let savedAt = Number.NEGATIVE_INFINITY
  const flush = (): void => {
    if (waiting !== undefined) saveFollowState(path, waiting)
    waiting = undefined
    savedAt = performance.now()
  }
  const save = (state: FollowState): void => {
    waiting = state
    if (performance.now() - savedAt > SAVE_EVERY_MS) flush()
  }
  return { save, flush }
}

/** A file that was imported goes by the name that its events have already, so that none is stored twice. */
const importedAs =
  (url: string, merchant: string) =>
  async (path: string): Promise<string | undefined> => {
    const name = basename(path).replace(/\.gz$/i, "")
    const state = loadState(stateFileIn(dataDirectoryHere(), url, name, merchant), name)
    if (state === undefined || state.fingerprint.headBytes === 0) return undefined
    const source = await openSource(path)
    source.close()
    return beginning(state, source, state.meaning)._tag === "OtherFile" ? undefined : name
  }

/** Follows one log until SIGINT or SIGTERM, then prints the summary. */
export const runFollow = async (given: string, options: FollowGiven): Promise<void> => {
  const file = resolve(given)
  const { url, merchant, json } = options
  const say = (text: string): void => console.error(text)
  const key = adminKey(options.key)
  const stateFile = options.state ?? followStateIn(dataDirectoryHere(), url, file, merchant ?? "")
  const begun = loadFollowState(stateFile, file)
  const { save, flush } = saving(stateFile)
  const stopping = new AbortController()
  const sender = new EventSender({
    ...{ url, key, signal: stopping.signal, patienceMs: Number.POSITIVE_INFINITY },
    onTrouble: (what) => say(`The server takes nothing now (${what}). The log waits; trying again …`),
  })
  let reports = 0
  const follower = new Follower(
    {
      ...{ file, merchantId: merchant, name: options.source ?? basename(file), sender, save, say },
      ...{ settleMs: options.settle * 1_000, pollMs: POLL_MS, signal: stopping.signal },
      knownAs: importedAs(url, merchant ?? ""),
      onReport: ({ line, offset, reason }) => {
        reports += 1
        if (reports <= SHOWN) say(`line ${line} (byte ${offset}): ${reason}`)
        if (reports === SHOWN + 1) say("More of them are counted and not shown.")
      },
    },
    begun,
  )
  const began = performance.now()
  const before = begun?.counts.sent ?? 0
  let shown = before
  const progress = setInterval(() => {
    const { records, sent } = follower.counts
    if (sent !== shown) say(`${records} lines, ${sent} events`)
    shown = sent
  }, PROGRESS_EVERY_MS)
  const stop = (): void => {
    say("Stopping when what is on its way has arrived …")
    stopping.abort()
  }
  process.once("SIGINT", stop)
  process.once("SIGTERM", stop)
  try {
    await follower.run()
  } finally {
    clearInterval(progress)
    flush()
    sender.close()
    process.off("SIGINT", stop)
    process.off("SIGTERM", stop)
  }
  const seconds = (performance.now() - began) / 1_000
  printSummary({ counts: follower.counts, unit: "line", seconds, before }, json)
}
