import { adminKey, dataDirectoryHere } from "../adminKey.js"
import { EventSender } from "../client/EventSender.js"
import type { Format } from "./Format.js"
import { Importer } from "./Importer.js"
import { Progress } from "./Progress.js"
import type { Report } from "./Round.js"
import { fingerprintOf, openSource, type Source } from "./Source.js"
import {
  type Beginning,
  beginning,
  type Counts,
  type ImportState,
  loadState,
  noCounts,
  saveState,
  stateFileIn,
} from "./State.js"
import { printSummary } from "./summary.js"

/** What both imports are told. */
export interface ImportOptions {
  readonly url: string
  readonly key?: string
  readonly source?: string
  readonly state?: string
  readonly restart: boolean
  readonly strict: boolean
  readonly patience: number
  readonly json: boolean
}

export interface ImportJob {
  readonly file: string
  readonly options: ImportOptions
  /** For all events, or "" when each has its own. */
  readonly merchant: string
  /** Changes when events of the same file are made differently. */
  readonly meaning: string
  readonly format: (source: string, memory: ReadonlyArray<string> | undefined) => Format
  /** Told every report, those too that are not shown. */
  readonly onReport?: (report: Report) => void
  /** Told before the first event is sent whether an import that was interrupted goes on. */
  readonly onBegin?: (resumed: boolean) => void
}

/** Reports that are shown while it runs. All of them are counted. */
const SHOWN = 10
const SAVE_EVERY_MS = 1_000
const MAX_SOURCE = 120

/** What a person has to change before the import can run. */
export class CannotImport extends Error {}

export const sourceName = (source: Source, given: string | undefined): string => {
  const name = given ?? source.name
  if (name.length > MAX_SOURCE) {
    throw new CannotImport(
      `the source's name begins every id: give one of at most ${MAX_SOURCE} characters with --source`,
    )
  }
  return name
}

const reasons = {
  OTHER_OPTIONS:
    "the options are others than last time. What is new is added; events that are stored already keep what they said.",
  IMPORTED: "it was imported before: nothing is counted twice.",
  CHANGED: "the file has changed since: nothing is counted twice.",
} as const

const begin = (start: Beginning, name: string, say: (text: string) => void): ImportState | undefined => {
  switch (start._tag) {
    case "OtherFile":
      throw new CannotImport(
        `another file was imported as "${name}" before, and this one's events would pass for repetitions of its events: give this one another name with --source. If it is the same file, changed at its beginning: --restart`,
      )
    case "Resume":
      say(`Going on at line ${start.state.line} (byte ${start.state.offset}), where the last import stopped.`)
      return start.state
    case "Again":
      say(`Reading the whole file, as ${reasons[start.because]}`)
      return undefined
    case "Fresh":
      return undefined
  }
}

/** Calls `stop` at the first SIGINT or SIGTERM; the second ends the process as ever. */
const onSignals = (stop: () => void): (() => void) => {
  process.once("SIGINT", stop)
  process.once("SIGTERM", stop)
  return () => {
    process.off("SIGINT", stop)
    process.off("SIGTERM", stop)
  }
}

/**
 * Imports one file: opens it, finds out where to begin, sends, keeps the state, prints the summary. Sets the
 * exit code: 1 when `--strict` and something could not be read or was refused, 130 when interrupted.
 */
export const runImport = async (job: ImportJob): Promise<void> => {
  const { file, options, merchant, meaning } = job
  const key = adminKey(options.key)
  const stopping = new AbortController()
  const source = await openSource(file)
  const name = sourceName(source, options.source)
  const stateFile = options.state ?? stateFileIn(dataDirectoryHere(), options.url, name, merchant)
  const resumed = begin(
    beginning(options.restart ? undefined : loadState(stateFile, name), source, meaning),
    name,
    (text) => console.error(text),
  )
  job.onBegin?.(resumed !== undefined)
  const format = job.format(name, resumed?.memory)
  let counts: Counts = resumed?.counts ?? noCounts
  const progress = { current: undefined as Progress | undefined }
  const say = (text: string): void =>
    progress.current === undefined ? console.error(text) : progress.current.say(text)
  const sender = new EventSender({
    url: options.url,
    key,
    patienceMs: options.patience * 1_000,
    signal: stopping.signal,
    onTrouble: (what) =>
      say(`The server takes nothing now (${what}). Trying again for ${options.patience} s …`),
  })
  let reports = 0
  let savedAt = Number.NEGATIVE_INFINITY
  const save = (place: { offset: number; line: number }, done: boolean): void => {
    const memory = format.memory()
    saveState(stateFile, {
      ...{ v: 1, source: name, meaning, fingerprint: fingerprintOf(source), done, counts },
      ...{ offset: place.offset, line: place.line },
      ...(memory === undefined ? {} : { memory }),
    })
    savedAt = performance.now()
  }
  const begun = performance.now()
  const importer = new Importer({
    format,
    chunks: source.bytes(resumed?.offset ?? 0),
    from: { place: { offset: resumed?.offset ?? 0, line: resumed?.line ?? 1 }, counts },
    sender,
    signal: stopping.signal,
    onCheckpoint: (checkpoint) => {
      counts = checkpoint.counts
      if (performance.now() - savedAt > SAVE_EVERY_MS) save(checkpoint.place, false)
    },
    onReport: (report) => {
      job.onReport?.(report)
      reports += 1
      if (reports <= SHOWN) say(`line ${report.line} (byte ${report.offset}): ${report.reason}`)
      if (reports === SHOWN + 1) say("More of them are counted and not shown.")
    },
  })
  const ignoreSignals = onSignals(() => {
    say("Stopping when what is on its way has arrived …")
    stopping.abort()
    // Nothing may come on standard input for a long time.
    if (source.size === undefined) source.close()
  })
  progress.current = new Progress(() => ({
    read: source.read(),
    total: source.size,
    counts,
    unit: format.unit,
  }))
  try {
    const { place, interrupted } = await importer.start()
    progress.current.stop()
    progress.current = undefined
    save(place, !interrupted)
    const seconds = (performance.now() - begun) / 1_000
    printSummary({ counts, unit: format.unit, seconds, before: resumed?.counts.sent ?? 0 }, options.json)
    if (interrupted) {
      console.error(
        `Stopped before line ${place.line} (byte ${place.offset}). The same command goes on from there (${stateFile}).`,
      )
      process.exitCode = 130
    } else if (options.strict && counts.unreadable + counts.rejected > 0) process.exitCode = 1
  } catch (cause) {
    progress.current?.stop()
    progress.current = undefined
    const { place } = importer.checkpoint
    if (place.offset > 0) {
      save(place, false)
      console.error(`Everything before line ${place.line} is done. The same command goes on from there.`)
    }
    throw cause
  } finally {
    ignoreSignals()
    source.close()
    sender.close()
  }
}
