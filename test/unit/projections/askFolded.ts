import { join } from "node:path"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { EventLog } from "../../../src/eventlog/EventLog.js"
import * as EmbeddedKeyStore from "../../../src/keystore/embedded/EmbeddedKeyStore.js"
import { Processors } from "../../../src/processors/Processors.js"
import { projections } from "../../../src/projections/index.js"
import type { Merchant } from "../../../src/queries/MerchantQueries.js"
import * as QueriesLayer from "../../../src/queries/Queries.js"
import { Queries, type QueriesService } from "../../../src/queries/Queries.js"
import { everything } from "../../../src/queries/Scope.js"
import { ReadModels } from "../../../src/readmodels/ReadModels.js"
import type { Random } from "../../support/Seed.js"
import { Bench, run, type TestEvent } from "../processors/support.js"

export interface Settings {
  readonly merchantId: string
  readonly timezone: string
  readonly currency: string
}

/**
 * A merchant's events in a real log, folded by the real engine in random batches and over restarts; then
 * asked about through the read service, whose clock stands at the last recording.
 */
export const askFolded = async <A>(
  random: Random,
  { merchantId, ...settings }: Settings,
  events: ReadonlyArray<TestEvent>,
  ask: (queries: QueriesService, merchant: Merchant) => Promise<A>,
): Promise<A> => {
  const bench = await new Bench().open()
  const scope = await run(Scope.make())
  try {
    await bench.start(projections)
    const created = (events[0]?.recordedAt ?? 0) - 1
    let position = await bench.append([
      { type: "MerchantCreated", at: created, recordedAt: created, data: { merchantId, settings } },
    ])
    for (let at = 0; at < events.length; ) {
      const batch = events.slice(at, at + 1 + random.integer(random.pick([10, 300, 3_000])))
      at += batch.length
      position = await bench.append(batch)
      if (random.integer(3) === 0) await bench.caughtUp(position)
      if (random.integer(6) === 0) {
        await bench.stop()
        await bench.start(projections)
      }
    }
    await bench.caughtUp(position)
    const layer = QueriesLayer.layer({
      secret: Buffer.from("secret"),
      idleAfterMs: 1_800_000,
      now: () => events.at(-1)?.recordedAt ?? created,
    }).pipe(
      Layer.provide(EmbeddedKeyStore.layer({ directory: join(bench.directory, "keys") })),
      Layer.provide(Layer.succeed(EventLog, bench.log)),
      Layer.provide(Layer.succeed(ReadModels, bench.readModels)),
      Layer.provide(Layer.succeed(Processors, bench.processors)),
    )
    const queries = Context.get(await run(Layer.buildWithScope(layer, scope)), Queries)
    const merchant = await run(queries.merchants.find(everything, merchantId))
    if (merchant === undefined) throw new Error(`no merchant ${merchantId}`)
    return await ask(queries, merchant)
  } finally {
    await run(Scope.close(scope, Exit.void))
    await bench.close()
  }
}
