import { type EventSender, Interrupted, ServerRefused } from "../client/EventSender.js"
import { type Format, notesOf } from "./Format.js"
import { type Piece, type Place, Splitter } from "./Records.js"
import { type Report, Round } from "./Round.js"
import type { Counts } from "./State.js"

/** How far an import has come: everything before `place` is done. */
export interface Checkpoint {
  readonly place: Place
  readonly counts: Counts
}

export interface ImportRun {
  readonly format: Format
  /** Uncompressed bytes from `from` on. An empty chunk says that nothing more is there for now: what was read is sent. */
  readonly chunks: AsyncIterable<Buffer>
  readonly from: Checkpoint
  readonly sender: Pick<EventSender, "send">
  readonly signal: AbortSignal
  /** Told after every round, when all of it was answered. */
  readonly onCheckpoint: (checkpoint: Checkpoint) => void
  /** Told what can't be read, and what the server refused. */
  readonly onReport: (report: Report) => void
}

const add = (notes: Readonly<Record<string, number>>, name: string): Record<string, number> => ({
  ...notes,
  [name]: (notes[name] ?? 0) + 1,
})

/** Reads a file, sends its events in rounds and counts. One round is read while the one before is sent. */
export class Importer {
  private readonly splitter: Splitter
  private round = new Round()
  private sending: Promise<void> = Promise.resolve()
  /** Of what was read, and of what is done. */
  private read: Counts
  private done: Checkpoint

  constructor(private readonly run: ImportRun) {
    this.splitter = new Splitter(run.format.findEnd, run.from.place)
    this.done = run.from
    this.read = run.from.counts
  }

  get checkpoint(): Checkpoint {
    return this.done
  }

  /**
   * Resolves with where the import ended: the end of the file, or the last complete round when it was
   * interrupted. Rejects when the file or the server fails.
   */
  async start(): Promise<Checkpoint & { readonly interrupted: boolean }> {
    const { chunks, signal } = this.run
    try {
      for await (const chunk of chunks) {
        await this.take(this.splitter.push(chunk).pieces)
        if (signal.aborted) throw new Interrupted()
        if (chunk.length > 0) continue
        if (this.round.records > 0) await this.dispatch(this.splitter.place)
        else await this.sending
      }
      await this.take(this.splitter.end().pieces)
      if (this.round.records > 0) await this.dispatch(this.splitter.place)
      await this.sending
    } catch (cause) {
      await this.sending.catch(() => {})
      // Standard input is closed on interruption, so that reading it fails.
      const stopped = cause instanceof Interrupted || (signal.aborted && !(cause instanceof ServerRefused))
      if (!stopped) throw cause
      return { ...this.done, interrupted: true }
    }
    return { ...this.done, interrupted: false }
  }

  private async take(pieces: ReadonlyArray<Piece>): Promise<void> {
    for (let at = 0; at < pieces.length; at += 1) {
      this.convert(pieces[at] as Piece)
      if (this.round.isFull) await this.dispatch(pieces[at + 1] ?? this.splitter.place)
    }
  }

  private convert(piece: Piece): void {
    const { format, onReport } = this.run
    const converted = format.convert(piece)
    const { fields, header } = converted
    const origin = { offset: piece.offset, line: piece.line, ...(fields === undefined ? {} : { fields }) }
    this.round.records += 1
    if (header === true) return
    this.read = { ...this.read, records: this.read.records + 1 }
    if ("problem" in converted) {
      this.read = { ...this.read, unreadable: this.read.unreadable + 1 }
      onReport({ ...origin, reason: converted.problem })
      return
    }
    for (const note of notesOf(piece, converted)) {
      this.read = { ...this.read, notes: add(this.read.notes, note) }
    }
    for (const event of converted.events) this.round.add(event, origin)
  }

  /** Waits for the round before, then sends this one without waiting for it. @param next where the next begins */
  private async dispatch(next: Place): Promise<void> {
    const { round, read } = this
    const place = { offset: next.offset, line: next.line }
    this.round = new Round()
    await this.sending
    this.sending = this.send(round, read, place)
    // Whoever waits next is told of a failure; until then it must not count as unhandled.
    this.sending.catch(() => {})
  }

  private async send(round: Round, read: Counts, place: Place): Promise<void> {
    const { accepted, duplicates, rejected } = await round.send(this.run.sender)
    const before = this.done.counts
    for (const report of rejected) this.run.onReport(report)
    this.done = {
      place,
      counts: {
        ...{ records: read.records, unreadable: read.unreadable, notes: read.notes },
        sent: before.sent + round.size,
        accepted: before.accepted + accepted,
        duplicates: before.duplicates + duplicates,
        rejected: before.rejected + rejected.length,
      },
    }
    this.run.onCheckpoint(this.done)
  }
}
