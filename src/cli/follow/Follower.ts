import { fstatSync } from "node:fs"
import { type FileHandle, open, stat } from "node:fs/promises"
import { basename } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { EventSender } from "../client/EventSender.js"
import { accessLogFormat } from "../import/accessLogFormat.js"
import { Importer } from "../import/Importer.js"
import type { Place } from "../import/Records.js"
import type { Report } from "../import/Round.js"
import { openSource } from "../import/Source.js"
import { type Counts, noCounts } from "../import/State.js"
import type { FollowState } from "./FollowState.js"
import { firstLineIn, type Generation, rotated } from "./Generation.js"
import { type Ended, liveChunks } from "./LiveLog.js"

export interface FollowOptions {
  /** The log's absolute path. */
  readonly file: string
  readonly merchantId: string | undefined
  /** What the ids of all generations begin with. */
  readonly name: string
  readonly settleMs: number
  readonly pollMs: number
  readonly sender: Pick<EventSender, "send">
  readonly signal: AbortSignal
  /** The source's name of a generation that is known under another one, as it was imported. */
  readonly knownAs: (path: string) => Promise<string | undefined>
  readonly save: (state: FollowState) => void
  readonly say: (text: string) => void
  readonly onReport: (report: Report) => void
}

/** A generation that is read, and where from. */
interface Reading {
  readonly firstLine: string
  readonly source: string
  readonly from: Place
}

const START: Place = { offset: 0, line: 1 }

/** Follows a log through its rotations, one generation after the other, each to its end. */
export class Follower {
  private counted: Counts
  private last: FollowState | undefined
  /** First lines of the generations that were read to their end. */
  private readonly finished = new Set<string>()

  constructor(
    private readonly options: FollowOptions,
    private readonly begun: FollowState | undefined,
  ) {
    this.counted = begun?.counts ?? noCounts
    this.last = begun
  }

  get counts(): Counts {
    return this.counted
  }

  /** Resolves when `signal` has aborted and what was on its way has arrived. Rejects when the server refuses. */
  async run(): Promise<void> {
    const { signal, file } = this.options
    let unfinished: FollowState | undefined = this.begun
    while (!signal.aborted) {
      if (unfinished !== undefined && !(await this.isCurrent(unfinished))) {
        await this.finish(unfinished)
        unfinished = undefined
      }
      if (signal.aborted) return
      await this.between()
      const current = await this.opened(file)
      if (current === undefined) return
      const { handle, firstLine } = current
      const resumed = unfinished?.firstLine === firstLine ? unfinished : undefined
      const ended = await this.live(handle, resumed ?? (await this.readingOf(file, firstLine)))
      unfinished = ended === "truncated" ? this.last : undefined
    }
  }

  private async isCurrent({ firstLine, offset }: FollowState): Promise<boolean> {
    const { file } = this.options
    const found = await stat(file).catch(() => undefined)
    if (found === undefined || found.size < offset) return false
    const handle = await open(file, "r")
    try {
      return (await firstLineIn(handle)) === firstLine
    } finally {
      await handle.close()
    }
  }

  /** Reads the rest of a generation that is not under the log's name any more. */
  private async finish(state: FollowState): Promise<void> {
    const { file, say } = this.options
    const found = (await rotated(file)).find(({ firstLine }) => firstLine === state.firstLine)
    if (found !== undefined) return this.old(found, state)
    say(
      `Where ${basename(file)} was last read (byte ${state.offset} of ${state.source}) is neither there nor in a file that was rotated: what came after it, if anything, is lost.`,
    )
  }

  /** Reads whole what was rotated since the last generation that was read, and is neither it nor the current one. */
  private async between(): Promise<void> {
    const { file, signal } = this.options
    for (;;) {
      const { last } = this
      if (last === undefined || signal.aborted) return
      const current = await this.firstLineNow()
      const next = (await rotated(file)).find(
        ({ mtimeMs, firstLine }) =>
          mtimeMs >= last.mtimeMs && !this.finished.has(firstLine) && firstLine !== current,
      )
      if (next === undefined) return
      await this.old(next, await this.readingOf(next.path, next.firstLine))
    }
  }

  private async firstLineNow(): Promise<string | undefined> {
    const handle = await open(this.options.file, "r").catch(() => undefined)
    try {
      return handle === undefined ? undefined : await firstLineIn(handle)
    } finally {
      await handle?.close()
    }
  }

  private async readingOf(path: string, firstLine: string): Promise<Reading> {
    const source = (await this.options.knownAs(path)) ?? `${this.options.name}~${firstLine}`
    return { firstLine, source, from: START }
  }

  /** Waits for the log and its first line. Undefined when stopped before. */
  private async opened(path: string): Promise<{ handle: FileHandle; firstLine: string } | undefined> {
    const { signal, pollMs } = this.options
    while (!signal.aborted) {
      const handle = await open(path, "r").catch((cause: unknown) => {
        if ((cause as { readonly code?: string }).code === "ENOENT") return undefined
        throw cause
      })
      const firstLine = handle === undefined ? undefined : await firstLineIn(handle)
      if (handle !== undefined && firstLine !== undefined) return { handle, firstLine }
      await handle?.close()
      await sleep(pollMs, undefined, { signal }).catch(() => {})
    }
    return undefined
  }

  /** A file that was rotated: it may still be written to, unless it is compressed. */
  private async old(generation: Generation, state: FollowState | Reading): Promise<void> {
    const { path, firstLine, mtimeMs } = generation
    if (!path.endsWith(".gz")) {
      const handle = await open(path, "r")
      await this.live(handle, state)
      return
    }
    const source = await openSource(path)
    const { offset } = "from" in state ? state.from : state
    try {
      await this.read({ ...this.placed(state), firstLine }, source.bytes(offset), () => mtimeMs)
    } finally {
      source.close()
    }
  }

  private placed(state: FollowState | Reading): Reading {
    if ("from" in state) return state
    const { firstLine, source, offset, line } = state
    return { firstLine, source, from: { offset, line } }
  }

  private async live(handle: FileHandle, state: FollowState | Reading): Promise<Ended | undefined> {
    const { file, settleMs, pollMs, signal } = this.options
    const reading = this.placed(state)
    let ended: Ended | undefined
    const chunks = liveChunks(reading.from.offset, {
      ...{ file, handle, settleMs, pollMs, signal, firstLine: reading.firstLine },
      onEnd: (how) => {
        ended = how
      },
    })
    try {
      await this.read(reading, chunks, () => fstatSync(handle.fd).mtimeMs)
    } finally {
      await handle.close()
    }
    return ended
  }

  private async read(reading: Reading, chunks: AsyncIterable<Buffer>, mtimeMs: () => number): Promise<void> {
    const { file, merchantId, sender, signal, save, say, onReport } = this.options
    const { firstLine, source, from } = reading
    say(`Reading ${source} from line ${from.line} (byte ${from.offset}).`)
    const note = ({ place, counts }: { readonly place: Place; readonly counts: Counts }): void => {
      const { offset, line } = place
      this.counted = counts
      this.last = { v: 1, file, source, firstLine, offset, line, mtimeMs: mtimeMs(), counts }
      save(this.last)
    }
    const importer = new Importer({
      format: accessLogFormat({ source, ...(merchantId === undefined ? {} : { merchantId }) }),
      ...{ chunks, sender, signal, onReport },
      from: { place: from, counts: this.counted },
      onCheckpoint: note,
    })
    const { interrupted, ...end } = await importer.start()
    note(end)
    if (!interrupted) this.finished.add(firstLine)
  }
}
