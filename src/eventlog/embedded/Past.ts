import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../../domain/Event.js"
import { PARTITIONS } from "../../domain/Partition.js"
import { fromNumber } from "../../domain/Position.js"
import { turn } from "../../threads/turn.js"
import { LONG_AGO_MS, type LogError, type Past, type PastOptions, type PastPartition } from "../EventLog.js"
import type { DiskReader } from "./DiskReader.js"
import type { PackedPage } from "./PackedPage.js"

/** Less than this before the end of the log is left to a subscription, as is what was not recorded long ago. */
const FEWEST = 2_000

/** The rows of a partition of a stretch: for each its page, and where it begins in it. */
class PartitionRows {
  private readonly pages: Array<PackedPage> = []
  private readonly places: Array<number> = []

  add(page: PackedPage, place: number): void {
    if (this.pages.at(-1) !== page) this.pages.push(page)
    this.places.push(this.pages.length - 1, place)
  }

  *events(): Generator<RecordedEvent> {
    const { pages, places } = this
    for (let i = 0; i < places.length; i += 2) {
      yield (pages[places[i] as number] as PackedPage).read(places[i + 1] as number)
    }
  }
}

/** The rows of a stretch by partition. */
class Stretch {
  private readonly partitions: Array<PartitionRows | undefined> = new Array(PARTITIONS).fill(undefined)
  events = 0
  private last: (() => RecordedEvent) | undefined
  private lastSequence = 0

  constructor(private readonly wanted: PastOptions["partitions"]) {}

  /** Throws LogDamaged where a row is not what was written. */
  add(page: PackedPage): void {
    let last = 0
    for (let place = 0; place < page.size; place = page.next) {
      page.check(place)
      last = place
      const { partition, sequence } = page
      // SQLite says nowhere that it keeps the order.
      if (sequence <= this.lastSequence)
        throw new Error(`event ${sequence} was read after ${this.lastSequence}`)
      this.lastSequence = sequence
      if (partition === undefined || this.wanted?.has(partition) === false) continue
      let known = this.partitions[partition]
      if (known === undefined) {
        known = new PartitionRows()
        this.partitions[partition] = known
      }
      known.add(page, place)
      this.events++
    }
    this.last = () => page.read(last)
  }

  /** When the last event was recorded, epoch ms; undefined while there is none. */
  get recordedAt(): number | undefined {
    return this.last?.().metadata.recordedAt
  }

  /** Each once. The pages stay until the last of them is gone through. */
  *taken(): Generator<PastPartition> {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const rows = this.partitions[partition]
      if (rows === undefined) continue
      this.partitions[partition] = undefined
      yield { partition, events: rows.events() }
    }
  }
}

/** `attempt`: as all reading does it. */
export const pastOf =
  (reader: DiskReader, attempt: <A>(read: () => A) => Effect.Effect<A, LogError>) =>
  ({ after, partitions, most }: PastOptions): Stream.Stream<Past> =>
    Stream.unfoldEffect(Number(after), (from) =>
      Effect.gen(function* () {
        const stretch = new Stretch(partitions)
        let upTo = from
        let bytes = 0
        const isFull = () => stretch.events >= most.events || bytes >= most.bytes
        while (!isFull()) {
          const { rows, scannedTo } = yield* attempt(() => {
            const found = reader.storedAfter(upTo, most.events - stretch.events, partitions)
            if (found.rows !== undefined) stretch.add(found.rows)
            return found
          })
          if (rows === undefined) break
          upTo = scannedTo
          bytes += rows.size
          yield* turn
        }
        if (!isFull() && upTo - from < FEWEST) return Option.none()
        const recordedAt = yield* attempt(() => stretch.recordedAt)
        if (recordedAt === undefined || recordedAt >= Date.now() - LONG_AGO_MS) return Option.none()
        const past: Past = {
          partitions: stretch.taken(),
          events: stretch.events,
          upTo: fromNumber(upTo),
          recordedAt,
        }
        return Option.some([past, upTo] as const)
        // Who subscribes gets all that can be read, and then the error.
      }).pipe(Effect.catchAll(() => Effect.succeed(Option.none()))),
    )
