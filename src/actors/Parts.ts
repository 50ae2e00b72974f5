import { SYSTEM } from "../domain/Partition.js"
import type { Position } from "../domain/Position.js"
import type * as Merchant from "./Merchant.js"
import type { Incoming, Origin, RecordedAs, SettingsResult } from "./Recorder.js"

export interface PartUnavailable {
  readonly _tag: "Unavailable"
  readonly reason: string
  readonly retryAfterSeconds: number
}

export type PartResult =
  | { readonly _tag: "Recorded"; readonly events: ReadonlyArray<RecordedAs>; readonly position: Position }
  | PartUnavailable

export const ACCEPTED: RecordedAs = { _tag: "Accepted" }
export const DUPLICATE: RecordedAs = { _tag: "Duplicate" }

/** The events of one request that belong to one partition. `done` is called exactly once. */
export class RecordPart {
  readonly _tag = "Record"
  readonly results: Array<RecordedAs | undefined>
  /** The first event that no turn has taken yet. */
  next = 0
  attempts = 0
  answered = false
  private open: number

  constructor(
    readonly events: ReadonlyArray<Incoming>,
    readonly origin: Origin,
    private readonly done: (result: PartResult) => void,
  ) {
    this.open = events.length
    this.results = new Array(events.length).fill(undefined)
  }

  get settled(): boolean {
    return this.open === 0
  }

  get taken(): boolean {
    return this.next >= this.events.length
  }

  settle(index: number, as: RecordedAs): void {
    if (this.results[index] !== undefined) return
    this.results[index] = as
    this.open--
  }

  rewind(): void {
    const first = this.results.indexOf(undefined)
    this.next = first === -1 ? this.events.length : first
  }

  finish(position: Position): void {
    this.answer({ _tag: "Recorded", events: this.results as ReadonlyArray<RecordedAs>, position })
  }

  answer(result: PartResult): void {
    if (this.answered) return
    this.answered = true
    this.done(result)
  }
}

const watchSettings = ["silentAfter", "silentAfterSeconds", "timezone"]

/** A command to one merchant that is not an event: settings and API keys. */
export class MerchantPart {
  readonly _tag = "Merchant"
  next = 0
  attempts = 0
  answered = false
  settled = false
  /** What to answer once the turn that decided it is stored. */
  decided: ((position: Position) => SettingsResult) | undefined

  constructor(
    readonly command: Merchant.Command & { readonly _tag: "Create" | "Update" | "ApiKey" },
    readonly origin: Origin,
    private readonly done: (result: SettingsResult) => void,
  ) {}

  get taken(): boolean {
    return this.next > 0
  }

  /**
   * It has a turn of its own: what concerns all merchants of the partition, as a turn keeps the order of each, not
   * that of all; and what concerns the watch of one, so that all events of a turn are judged by the same.
   */
  get isAlone(): boolean {
    if (this.command._tag === "ApiKey") return false
    const { merchantId, change } = this.command
    return merchantId === SYSTEM || watchSettings.some((name) => name in change)
  }

  settle(): void {
    this.settled = true
  }

  rewind(): void {
    this.next = this.settled ? 1 : 0
  }

  finish(position: Position): void {
    if (this.decided !== undefined) this.answer(this.decided(position))
  }

  answer(result: SettingsResult): void {
    if (this.answered) return
    this.answered = true
    this.done(result)
  }
}

export type Part = RecordPart | MerchantPart
