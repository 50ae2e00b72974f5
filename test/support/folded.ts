import { Effect } from "effect"
import type { RecordedEvent } from "../../src/domain/Event.js"
import { PARTITIONS, type Partition } from "../../src/domain/Partition.js"
import { type Position, start } from "../../src/domain/Position.js"
import type { Projection } from "../../src/processors/Projection.js"
import { WorkingSet } from "../../src/processors/WorkingSet.js"
import { makeFilteredBuckets } from "../../src/queries/FilteredBuckets.js"
import { makeFreshness } from "../../src/queries/Freshness.js"
import { makeMerchantBuckets } from "../../src/queries/MerchantBuckets.js"
import { makeMetricQueries } from "../../src/queries/MetricQueries.js"
import { makeZones } from "../../src/queries/Zones.js"
import { makeMemoryReadModels } from "../../src/readmodels/MemoryReadModels.js"
import type { Checkpoint } from "../../src/readmodels/ReadModels.js"

const build = { id: "test-1", definition: "test@1", state: "SERVING" } as const

/**
 * Events folded by a projection into documents, committed where `commitAfter` says so (and forgotten from
 * memory every other time), and what the read service makes of them.
 */
export const folded = async (
  projection: Projection,
  events: ReadonlyArray<RecordedEvent>,
  commitAfter: (index: number) => boolean = (index) => index % 7 === 0,
) => {
  const readModels = makeMemoryReadModels({ synchronous: true })
  await Effect.runPromise(readModels.saveBuild({ ...build, projection: projection.name }))
  const working = new WorkingSet((collection, key) => readModels.loadNow?.(build.id, { collection, key }))
  let position: Position = start
  let recordedAt: number | null = null
  let commits = 0
  const commit = async () => {
    const checkpoint: Checkpoint = { position, recordedAt }
    const all = new Map<Partition, Checkpoint>()
    for (let partition = 0; partition < PARTITIONS; partition++) all.set(partition, checkpoint)
    await Effect.runPromise(readModels.commit(build.id, working.puts(), all))
    working.committed()
    if (commits++ % 2 === 0) working.discard()
  }
  for (const [index, event] of events.entries()) {
    projection.apply(event, working)
    position = event.position
    recordedAt = event.metadata.recordedAt
    if (commitAfter(index)) await commit()
  }
  await commit()
  const tail = { head: () => Effect.succeed(position), lagMs: () => Effect.succeed(0) }
  const board = {
    of: () => undefined,
    all: () => [],
    listen: () => () => {},
    reached: () => Effect.succeed(true),
  }
  const freshness = makeFreshness(readModels, tail, board, () => recordedAt ?? 0)
  const zones = makeZones(readModels, freshness)
  const buckets = makeMerchantBuckets(freshness, zones)
  const numbers = makeMetricQueries(buckets, makeFilteredBuckets(readModels, freshness, zones))
  return { readModels, buckets, numbers, build: build.id }
}
