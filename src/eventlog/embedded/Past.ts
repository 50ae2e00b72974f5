import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { PARTITIONS, partitionOfStream } from "../../domain/Partition.js"
import { fromNumber } from "../../domain/Position.js"
import { turn } from "../../threads/turn.js"
import { LONG_AGO_MS, type LogError, type Past, type PastOptions, type PastPartition } from "../EventLog.js"
import type { DiskReader } from "./DiskReader.js"
import { PackedRows } from "./PackedRows.js"
import { type CheckedRow, metadataIn, streamIn } from "./Rows.js"

/** Less than this is left to a subscription, as is what was not recorded long ago. */
const FEWEST = 2_000

/** The rows of a stretch by partition. */
class Stretch {
  private readonly partitions: Array<PackedRows | undefined> = new Array(PARTITIONS).fill(undefined)
  events = 0
  last: CheckedRow | undefined

  constructor(
    private readonly file: string,
    private readonly wanted: PastOptions["partitions"],
  ) {}

  add(rows: ReadonlyArray<CheckedRow>): void {
    for (const row of rows) {
      this.last = row
      const partition = partitionOfStream(row[5], streamIn(row))
      if (partition === undefined || this.wanted?.has(partition) === false) continue
      let known = this.partitions[partition]
      if (known === undefined) {
        known = new PackedRows(this.file)
        this.partitions[partition] = known
      }
      known.add(row)
      this.events++
    }
  }

  /** Each with its rows taken out of here. */
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
        const stretch = new Stretch(reader.file, partitions)
        let upTo = from
        let chars = 0
        while (stretch.events < most.events && chars < most.chars) {
          const page = yield* attempt(() => {
            const found = reader.checkedAfter(upTo, most.events - stretch.events, partitions)
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
        const { recordedAt } = yield* attempt(() => metadataIn(last))
        if (recordedAt >= Date.now() - LONG_AGO_MS) return Option.none()
        const past: Past = {
          partitions: stretch.taken(),
          events,
          upTo: fromNumber(upTo),
          recordedAt,
        }
        return Option.some([past, upTo] as const)
        // Who subscribes gets all that can be read, and then the error.
      }).pipe(Effect.catchAll(() => Effect.succeed(Option.none()))),
    )
