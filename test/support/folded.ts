import * as Effect from "effect/Effect"
import type { RecordedEvent } from "../../src/domain/Event.js"
import { PARTITIONS, type Partition } from "../../src/domain/Partition.js"
import { type Position, start } from "../../src/domain/Position.js"
import type { EventLogService } from "../../src/eventlog/EventLog.js"
import type { Projection } from "../../src/processors/Projection.js"
import { WorkingSet } from "../../src/processors/WorkingSet.js"
import { makeAsOfBuckets } from "../../src/queries/asof/AsOfBuckets.js"
import { makeMomentReads } from "../../src/queries/asof/Moment.js"
import { makeFilteredBuckets } from "../../src/queries/FilteredBuckets.js"
import { makeFreshness } from "../../src/queries/Freshness.js"
import { makeMerchantBuckets } from "../../src/queries/MerchantBuckets.js"
import { makeMetricQueries } from "../../src/queries/MetricQueries.js"
import { makeZones } from "../../src/queries/Zones.js"
import { makeMemoryReadModels } from "../../src/readmodels/MemoryReadModels.js"
import type { Checkpoint, ReadModelsService } from "../../src/readmodels/ReadModels.js"
import { listLog } from "./listLog.js"

const build = { id: "test-1", definition: "test@1", state: "SERVING" } as const

/** A projection being folded into documents, and what the read service makes of them at any time. */
export class Folding {
  private readonly working: WorkingSet
  private position: Position = start
  private recordedAt: number | null = null
  private commits = 0

  private constructor(
    private readonly projection: Projection,
    readonly readModels: ReadModelsService,
  ) {
    this.working = new WorkingSet((collection, key) => readModels.loadNow?.(build.id, { collection, key }))
  }

  static async of(
    projection: Projection,
    readModels: ReadModelsService = makeMemoryReadModels({ synchronous: true }),
  ): Promise<Folding> {
    await Effect.runPromise(readModels.saveBuild({ ...build, projection: projection.name }))
    return new Folding(projection, readModels)
  }

  get build(): string {
    return build.id
  }

  take(event: RecordedEvent): void {
    this.projection.apply(event, this.working)
    this.position = event.position
    this.recordedAt = event.metadata.recordedAt
  }

  /** Every other time what is folded is forgotten from memory. */
  async commit(): Promise<void> {
    const checkpoint: Checkpoint = { position: this.position, recordedAt: this.recordedAt }
    const all = new Map<Partition, Checkpoint>()
    for (let partition = 0; partition < PARTITIONS; partition++) all.set(partition, checkpoint)
    await Effect.runPromise(this.readModels.commit(build.id, this.working.puts(), all))
    this.working.committed()
    if (this.commits++ % 2 === 0) this.working.discard()
  }

  /** As of the last commit. `log`: that of the events, for questions about the past. */
  queries(log: EventLogService = listLog([])) {
    const { readModels, position } = this
    const now = () => this.recordedAt ?? 0
    const tail = { head: () => Effect.succeed(position), lagMs: () => Effect.succeed(0) }
    const board = {
      of: () => undefined,
      all: () => [],
      listen: () => () => {},
      reached: () => Effect.succeed(true),
    }
    const freshness = makeFreshness(readModels, tail, board, now)
    const zones = makeZones(readModels, freshness)
    const buckets = makeMerchantBuckets(freshness, zones)
    const filtered = makeFilteredBuckets(readModels, freshness, zones)
    const moments = makeMomentReads(log, now)
    const past = makeAsOfBuckets({ readModels, freshness, zones, log, moments })
    return { buckets, numbers: makeMetricQueries(buckets, filtered, past) }
  }
}

/**
 * Events folded by a projection into documents, committed where `commitAfter` says so (and forgotten from
 * memory every other time), and what the read service makes of them.
 */
export const folded = async (
  projection: Projection,
  events: ReadonlyArray<RecordedEvent>,
  commitAfter: (index: number) => boolean = (index) => index % 7 === 0,
) => {
  const folding = await Folding.of(projection)
  for (const [index, event] of events.entries()) {
    folding.take(event)
    if (commitAfter(index)) await folding.commit()
  }
  await folding.commit()
  const { readModels, build: id } = folding
  return { readModels, build: id, ...folding.queries(listLog(events)) }
}
