import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Dispatch } from "./Dispatch.js"
import * as LevelStreamIndex from "./embedded/LevelStreamIndex.js"
import * as PartitionNode from "./PartitionNode.js"
import { Recorder } from "./Recorder.js"
import { RemotePartitions } from "./RemotePartitions.js"
import { defaults, type Tuning } from "./Tuning.js"

/** Numbers for `/metrics`; those that count begin with the process. */
export interface ActorsStats {
  readonly partitions: number
  readonly liveActors: number
  /** Clients that are not idle, and the bytes of the tables that they stand in. */
  readonly liveClients: number
  readonly liveClientBytes: number
  /** Requests that wait for a turn, of the fullest partition and of all. */
  readonly longestQueue: number
  readonly queued: number
  readonly waitingEvents: number
  readonly waitingBytes: number
  /** Ids that are not in the index on disk yet. */
  readonly indexBacklog: number
  readonly turns: number
  readonly appended: number
  readonly accepted: number
  readonly duplicates: number
  readonly refused: number
  readonly busy: number
  readonly unavailable: number
  readonly conflicts: number
  readonly unknownOutcomes: number
}

export interface ActorsService {
  readonly stats: () => ActorsStats
  /** Drops every actor from memory: the next use reads the index. */
  readonly passivateAll: () => void
}

export class Actors extends Context.Tag("tidemark/Actors")<Actors, ActorsService>() {}

export interface ActorsOptions {
  /** Where the actors' index is kept. */
  readonly directory: string
  /** Where it is kept who is present; beside the index when missing. */
  readonly clientsFile?: string
  readonly tuning?: Partial<Tuning>
  /** False to go through the cluster even to this process's own partitions: for tests. */
  readonly direct?: boolean
}

/** The partitions' node on the embedded index, caught up with the log. */
export const nodeLayer = (options: ActorsOptions) =>
  Layer.scoped(
    PartitionNode.PartitionNode,
    Effect.gen(function* () {
      const runtime = yield* Effect.runtime<never>()
      const index = yield* LevelStreamIndex.make({
        directory: options.directory,
        warn: (message) => Effect.runFork(Effect.provide(Effect.logWarning(message), runtime)),
      })
      const clientsFile = options.clientsFile ?? `${options.directory}.clients`
      return yield* PartitionNode.make(index, { ...defaults, ...options.tuning }, clientsFile)
    }),
  )

/** The way in, and what can be seen of what is behind it. */
export const recorderLayer = (options: ActorsOptions) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const node = yield* PartitionNode.PartitionNode
      const dispatch = new Dispatch(node, yield* RemotePartitions, options.direct)
      const stats = (): ActorsStats => {
        let liveActors = 0
        let queued = 0
        let longestQueue = 0
        let partitions = 0
        let liveClients = 0
        let liveClientBytes = 0
        for (const host of node.hosts()) {
          partitions++
          liveActors += host.actors.size
          liveClients += host.clients.live.size
          liveClientBytes += host.clients.live.bytes
          queued += host.waiting
          longestQueue = Math.max(longestQueue, host.waiting)
        }
        return {
          partitions,
          liveActors,
          liveClients,
          liveClientBytes,
          longestQueue,
          queued,
          waitingEvents: dispatch.admission.waiting.events,
          waitingBytes: dispatch.admission.waiting.bytes,
          indexBacklog: node.index.backlog(),
          ...node.counters,
        }
      }
      const passivateAll = () => {
        for (const host of node.hosts()) host.actors.clear()
      }
      return Context.make(Recorder, dispatch).pipe(Context.add(Actors, { stats, passivateAll }))
    }),
  )
