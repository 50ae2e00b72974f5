import * as MessageStorage from "@effect/cluster/MessageStorage"
import * as RunnerHealth from "@effect/cluster/RunnerHealth"
import * as RunnerStorage from "@effect/cluster/RunnerStorage"
import * as Runners from "@effect/cluster/Runners"
import * as Sharding from "@effect/cluster/Sharding"
import * as ShardingConfig from "@effect/cluster/ShardingConfig"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { type ActorsOptions, nodeLayer, recorderLayer } from "../Actors.js"
import { allPartitions } from "../IndexRecovery.js"
import * as ClusterPartitions from "./ClusterPartitions.js"
import * as PartitionEntity from "./PartitionEntity.js"

/** Done when every partition is activated: ready to take events. */
export class Activation extends Context.Tag("tidemark/Activation")<
  Activation,
  { readonly await: Effect.Effect<void> }
>() {}

/** A partition runs only when it is sent something. */
const wake = Layer.scoped(
  Activation,
  Effect.gen(function* () {
    const client = yield* PartitionEntity.Partition.client
    const waking = yield* Effect.forEach(
      allPartitions,
      (partition) => Effect.orDie(client(String(partition)).Wake()),
      { concurrency: "unbounded", discard: true },
    ).pipe(Effect.forkScoped)
    return { await: Fiber.join(waking) }
  }),
)

export interface SingleProcessOptions extends ActorsOptions {
  /** Sends messages through their serialised form, as between processes: for tests. */
  readonly serialize?: boolean
}

/** A cluster of this process alone: it is granted every partition, and remembers no messages. */
const cluster = (options: SingleProcessOptions) =>
  Sharding.layer.pipe(
    Layer.provideMerge(Runners.layerNoop),
    Layer.provideMerge(MessageStorage.layerMemory),
    Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
    Layer.provide(
      ShardingConfig.layer({
        simulateRemoteSerialization: options.serialize === true,
        entityTerminationTimeout: Duration.seconds(10),
        sendRetryInterval: Duration.millis(20),
        preemptiveShutdown: false,
      }),
    ),
  )

/**
 * The actors in one process. Ends in the order that keeps what was accepted: partitions drain, then the
 * index is written, then (outside) the log closes.
 */
export const layer = (options: SingleProcessOptions) =>
  Layer.merge(recorderLayer(options), wake).pipe(
    Layer.provide(ClusterPartitions.layer),
    Layer.provide(PartitionEntity.layer),
    Layer.provide(cluster(options)),
    Layer.provide(nodeLayer(options)),
  )
