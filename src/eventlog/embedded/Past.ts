import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../../domain/Event.js"
import { PARTITIONS, partitionOfStream } from "../../domain/Partition.js"
import { fromNumber } from "../../domain/Position.js"
import { turn } from "../../threads/turn.js"
import { LONG_AGO_MS, type LogError, type Past, type PastOptions, type PastPartition } from "../EventLog.js"
import type { DiskReader } from "./DiskReader.js"
import type { NamedRow, Row } from "./Rows.js"

/** Less than this is left to a subscription, as is what was not recorded long ago. */
const FEWEST = 2_000

type Rows = Array<Row | NamedRow>

/** The rows of a stretch by partition: as they are stored they take a third of the room of events. */
class Stretch {
  readonly partitions: Array<Rows | undefined> = new Array(PARTITIONS).fill(undefined)
  events = 0
  last: Row | NamedRow | undefined

  constructor(
    private readonly reader: DiskReader,
    private readonly wanted: PastOptions["partitions"],
  ) {}

  add(rows: ReadonlyArray<Row | NamedRow>): void {
    for (const row of rows) {
      this.last = row
      const partition = partitionOfStream(this.reader.streamOf(row))
      if (partition === undefined || this.wanted?.has(partition) === false) continue
      const known = this.partitions[partition]
      if (known === undefined) this.partitions[partition] = [row]
      else known.push(row)
      this.events++
    }
  }

  /** Each with its rows taken out of here. */
  *taken(): Generator<PastPartition> {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const rows = this.partitions[partition]
      if (rows === undefined) continue
      this.partitions[partition] = undefined
      yield { partition, events: this.decoded(rows) }
    }
  }

  private *decoded(rows: Rows): Generator<RecordedEvent> {
    const { reader } = this
    for (const row of rows) yield reader.decode(row, reader.streamOf(row))
  }
}

/** `attempt`: as all reading does it. */
export const pastOf =
  (reader: DiskReader, attempt: <A>(read: () => A) => Effect.Effect<A, LogError>) =>
  ({ after, partitions, most }: PastOptions): Stream.Stream<Past> =>
    Stream.unfoldEffect(Number(after), (from) =>
      Effect.gen(function* () {
        const stretch = new Stretch(reader, partitions)
        let upTo = from
        let chars = 0
        while (stretch.events < most.events && chars < most.chars) {
          const page = yield* attempt(() => {
            const found = reader.rowsAfter(upTo, most.events - stretch.events, partitions)
            stretch.add(found.rows)
            return found
          })
          if (page.scannedTo === upTo) break
          upTo = page.scannedTo
          chars += page.chars
          yield* turn
        }
        const { last, events } = stretch
        if (last === undefined || upTo - from < FEWEST) return Option.none()
        const { metadata } = yield* attempt(() => reader.decode(last, reader.streamOf(last)))
        if (metadata.recordedAt >= Date.now() - LONG_AGO_MS) return Option.none()
        const past: Past = {
          partitions: stretch.taken(),
          events,
          upTo: fromNumber(upTo),
          recordedAt: metadata.recordedAt,
        }
        return Option.some([past, upTo] as const)
        // Who subscribes gets all that can be read, and then the error.
      }).pipe(Effect.catchAll(() => Effect.succeed(Option.none()))),
    )
