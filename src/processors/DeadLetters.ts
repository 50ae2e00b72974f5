import * as Effect from "effect/Effect"
import type { RecordedEvent } from "../domain/Event.js"
import { type Partition, SYSTEM } from "../domain/Partition.js"
import { compare, min, type Position } from "../domain/Position.js"
import { afterKey, key } from "../readmodels/Key.js"
import type { Put, ReadModelsService, ReadModelsUnavailable, Row, Scan } from "../readmodels/ReadModels.js"

/** Where events that can't be folded are set aside; elsewhere the build stops at the first. */
export const deadLetterPolicies = ["live", "always", "never"] as const
/** `live`: in builds that serve or stand by; a rebuild must leave nothing out. */
export type DeadLetterPolicy = (typeof deadLetterPolicies)[number]

/** Of every build, beside the collections of its projection. */
export const DEAD_LETTERS = "deadLetters"
/** Partition → the last of its events that was folded later than others that were recorded after it. */
const DETOURS = "detours"

/** More merchants than this don't wait because of their events, but because of the code: the build stops. */
export const MOST_DEAD_LETTERS = 10_000

/** The first event of a merchant that could not be folded. What comes later of that merchant waits behind it. */
export interface DeadLetter {
  readonly merchantId: string
  readonly partition: Partition
  readonly position: Position
  readonly eventType: string
  readonly error: string
  /** Epoch ms. */
  readonly parkedAt: number
  /** All that was recorded of the merchant up to here is folded, and nothing later. */
  readonly folded: Position
  /** When the event at `folded` was recorded, epoch ms. */
  readonly foldedAt: number | null
  /** Events that are not folded, this one included. */
  readonly held: number
  /** What waits is being folded again. */
  readonly retrying?: true
}

const digits = (partition: Partition): string => String(partition).padStart(3, "0")

const keyOf = ({ partition, merchantId }: Pick<DeadLetter, "partition" | "merchantId">): string =>
  key(digits(partition), merchantId)

/** The dead letter of a merchant, or all of a partition. */
export const deadLetterScan = (partition: Partition, merchantId?: string): Scan =>
  merchantId === undefined
    ? { collection: DEAD_LETTERS, from: `${digits(partition)}\u0001`, to: `${digits(partition)}\u0002` }
    : {
        collection: DEAD_LETTERS,
        from: keyOf({ partition, merchantId }),
        to: afterKey(keyOf({ partition, merchantId })),
      }

export const decodeDeadLetter = ({ doc }: Row): DeadLetter => doc as DeadLetter

const PAGE = 2_000

const rowsOf = (readModels: ReadModelsService, build: string, collection: string) =>
  Effect.gen(function* () {
    const rows: Array<Row> = []
    for (let from = ""; ; ) {
      const { rows: found } = yield* readModels.query(build, 0, [
        { collection, from, to: "\uffff", limit: PAGE },
      ])
      const page = found[0] ?? []
      rows.push(...page)
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) return rows
      from = afterKey(last.key)
    }
  })

/** Those of a build, in the order of the log. */
export const deadLettersOf = (
  readModels: ReadModelsService,
  build: string,
): Effect.Effect<ReadonlyArray<DeadLetter>, ReadModelsUnavailable> =>
  Effect.map(rowsOf(readModels, build, DEAD_LETTERS), (rows) =>
    rows.map(decodeDeadLetter).toSorted((a, b) => compare(a.position, b.position)),
  )

/** The partitions in which a build has folded events later than others that were recorded after them. */
export const detoursOf = (
  readModels: ReadModelsService,
  build: string,
): Effect.Effect<ReadonlySet<Partition>, ReadModelsUnavailable> =>
  Effect.map(
    rowsOf(readModels, build, DETOURS),
    (rows) => new Set(rows.map(({ key: partition }) => Number(partition))),
  )

/** A merchant's id; the reserved space, which has clients in all partitions, waits in each by itself. */
const nameOf = (merchantId: string, partition: Partition): string =>
  merchantId === SYSTEM ? key(SYSTEM, digits(partition)) : merchantId

const merchantOf = ({ event }: RecordedEvent): string => event.data.merchantId

/**
 * The dead letters of one build, one for each merchant that waits: small, whatever waits. What is changed here is
 * written with the documents and the checkpoint that it belongs to, or undone with them.
 */
export class DeadLetters {
  private readonly letters = new Map<string, DeadLetter>()
  /** Those changed since the last commit, as they were. */
  private readonly before = new Map<string, DeadLetter | undefined>()
  private detours: Map<Partition, Position> | undefined

  constructor(stored: ReadonlyArray<DeadLetter> = []) {
    for (const letter of stored) this.letters.set(nameOf(letter.merchantId, letter.partition), letter)
  }

  get size(): number {
    return this.letters.size
  }

  get isChanged(): boolean {
    return this.before.size > 0
  }

  get isRetrying(): boolean {
    for (const { retrying } of this.letters.values()) if (retrying === true) return true
    return false
  }

  /** How many merchants wait, and how many events; undefined when none. */
  get summary(): { readonly merchants: number; readonly waiting: number } | undefined {
    if (this.letters.size === 0) return undefined
    let waiting = 0
    for (const { held } of this.letters.values()) waiting += held
    return { merchants: this.letters.size, waiting }
  }

  get partitions(): ReadonlySet<Partition> {
    return new Set([...this.letters.values()].map(({ partition }) => partition))
  }

  private set(name: string, letter: DeadLetter | undefined): void {
    if (!this.before.has(name)) this.before.set(name, this.letters.get(name))
    if (letter === undefined) this.letters.delete(name)
    else this.letters.set(name, letter)
  }

  /** Whether the event has to wait. */
  holds(event: RecordedEvent, partition: Partition): boolean {
    return this.letters.has(nameOf(merchantOf(event), partition))
  }

  /** Notes one more event that waits. */
  wait(event: RecordedEvent, partition: Partition): void {
    const name = nameOf(merchantOf(event), partition)
    const letter = this.letters.get(name)
    if (letter !== undefined) this.set(name, { ...letter, held: letter.held + 1 })
  }

  /** The event could not be folded: it waits, and so does what comes later of its merchant. */
  park(
    event: RecordedEvent,
    partition: Partition,
    error: string,
    folded: Pick<DeadLetter, "folded" | "foldedAt">,
  ): void {
    const merchantId = merchantOf(event)
    const name = nameOf(merchantId, partition)
    const before = this.letters.get(name)
    const parkedAt = before?.position === event.position ? before.parkedAt : Date.now()
    this.set(name, {
      ...{ merchantId, partition, position: event.position, eventType: event.event.type, error },
      ...{ parkedAt, ...folded, held: before?.held ?? 1 },
    })
  }

  /** All are to be folded again. Gives the place after which the first of them waits. */
  beginRetry(): Position | undefined {
    let first: Position | undefined
    for (const [name, letter] of this.letters) {
      first = min(first ?? letter.folded, letter.folded)
      if (letter.retrying !== true) this.set(name, { ...letter, retrying: true })
    }
    return first
  }

  /** Whether the event waits to be folded again. */
  isNext(event: RecordedEvent, partition: Partition): boolean {
    const letter = this.letters.get(nameOf(merchantOf(event), partition))
    return letter?.retrying === true && compare(event.position, letter.folded) > 0
  }

  /** An event that waited is folded. */
  folded(event: RecordedEvent, partition: Partition): void {
    const name = nameOf(merchantOf(event), partition)
    const letter = this.letters.get(name)
    if (letter === undefined) return
    const { position, metadata } = event
    this.set(name, { ...letter, folded: position, foldedAt: metadata.recordedAt, held: letter.held - 1 })
    this.detours ??= new Map()
    this.detours.set(partition, position)
  }

  /** An event that waited can't be folded this time either. */
  parkAgain(event: RecordedEvent, partition: Partition, error: string): void {
    const letter = this.letters.get(nameOf(merchantOf(event), partition))
    if (letter === undefined) return
    const { folded, foldedAt } = letter
    this.park(event, partition, error, { folded, foldedAt })
  }

  /** All that waited is folded: those that were retried wait no more. */
  endRetry(): void {
    for (const [name, { retrying, held, merchantId }] of [...this.letters]) {
      if (retrying !== true) continue
      // To forget what was not folded would be a hole that nobody sees.
      if (held !== 0) throw new Error(`${held} events of ${merchantId} were not found in the log again`)
      this.set(name, undefined)
    }
  }

  /** What a commit has to write. */
  puts(): ReadonlyArray<Put> {
    const puts: Array<Put> = []
    for (const [name, before] of this.before) {
      const doc = this.letters.get(name)
      const letter = doc ?? before
      if (letter !== undefined) puts.push({ collection: DEAD_LETTERS, key: keyOf(letter), doc })
    }
    for (const [partition, last] of this.detours ?? []) {
      puts.push({ collection: DETOURS, key: digits(partition), doc: { last } })
    }
    return puts
  }

  committed(): void {
    this.before.clear()
    this.detours = undefined
  }

  /** Undoes what has changed since the last commit. */
  revert(): void {
    for (const [name, letter] of this.before) {
      if (letter === undefined) this.letters.delete(name)
      else this.letters.set(name, letter)
    }
    this.committed()
  }
}
