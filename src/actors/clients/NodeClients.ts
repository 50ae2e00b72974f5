import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { STANDARD_IDLE_AFTER_MS } from "../../domain/IdleTimes.js"
import {
  merchantStream,
  PARTITIONS,
  type Partition,
  parseStream,
  prefixesOf,
  SYSTEM,
} from "../../domain/Partition.js"
import { compare, min, type Position, start } from "../../domain/Position.js"
import type { SystemSettings } from "../../domain/Settings.js"
import type { EventLogService, LogError } from "../../eventlog/EventLog.js"
import type { Mark, StreamIndex } from "../StreamIndex.js"
import {
  type ClientsDump,
  ClientsFileDamaged,
  type PartitionDump,
  readClients,
  Slice,
  writeClients,
} from "./ClientsFile.js"
import { PartitionClients } from "./PartitionClients.js"
import { PartitionMerchants } from "./PartitionMerchants.js"

/**
 * Who is present in the partitions of this process. Kept in a file every now and then, so that after a crash only
 * the log's tail has to be read; without the file, all of it.
 */
export class NodeClients {
  private readonly partitions = new Map<Partition, PartitionClients>()
  private readonly merchants = new Map<Partition, PartitionMerchants>()
  private readonly slice = new Slice()
  private writing: Promise<void> | undefined

  private constructor(
    private readonly path: string,
    dump: ClientsDump | undefined,
    private readonly served: (partition: Partition) => Position | undefined,
  ) {
    for (const one of dump?.partitions ?? []) this.restore(one)
  }

  /**
   * @param served of a partition that is served: up to where its clients are known now.
   * @param holds whether the log has an event, so that a file made from another log, or from what was lost of this one,
   * is not believed.
   */
  static open(
    path: string,
    head: Position,
    holds: (mark: Mark) => Effect.Effect<boolean, LogError>,
    served: (partition: Partition) => Position | undefined,
  ): Effect.Effect<NodeClients, LogError> {
    return Effect.gen(function* () {
      const dump = readClients(path)
      if (dump === undefined) return new NodeClients(path, undefined, served)
      if (dump instanceof ClientsFileDamaged) {
        yield* Effect.logWarning(dump.message)
        return new NodeClients(path, undefined, served)
      }
      const belongs =
        dump.partitions.every(({ upTo }) => compare(upTo, head) <= 0) &&
        (dump.mark === undefined || (yield* holds(dump.mark)))
      if (belongs) return new NodeClients(path, dump, served)
      yield* Effect.logWarning(
        `the live clients in ${path} do not belong to this event log (restored from a backup?): they are made again from the log`,
      )
      return new NodeClients(path, undefined, served)
    })
  }

  of(partition: Partition): PartitionClients {
    let found = this.partitions.get(partition)
    if (found === undefined) {
      found = new PartitionClients(partition)
      this.partitions.set(partition, found)
    }
    return found
  }

  /** The merchants whose silence is watched. */
  merchantsOf(partition: Partition): PartitionMerchants {
    let found = this.merchants.get(partition)
    if (found === undefined) {
      found = new PartitionMerchants(partition)
      this.merchants.set(partition, found)
    }
    return found
  }

  get size(): number {
    let size = 0
    for (const { live } of this.partitions.values()) size += live.size
    return size
  }

  get bytes(): number {
    let bytes = 0
    for (const { live } of this.partitions.values()) bytes += live.bytes
    return bytes
  }

  /** Reads what the log has beyond what these partitions know. The index has all of it already. */
  catchUp(
    index: StreamIndex,
    log: EventLogService,
    partitions: ReadonlyArray<Partition>,
  ): Effect.Effect<void, LogError> {
    if (partitions.length === 0) return Effect.void
    const self = this
    const wanted = partitions.map((partition) => this.of(partition))
    const merchants = partitions.map((partition) => this.merchantsOf(partition))
    return Effect.gen(function* () {
      const head = yield* log.head
      for (const one of wanted) if (one.upTo === start) one.setStandard(firstStandard(index, one.partition))
      for (const one of [...wanted, ...merchants]) one.beginFold()
      const byPartition = new Map(wanted.map((one) => [one.partition, one]))
      const from = wanted.map(({ upTo }) => upTo).reduce(min)
      // Leaving out a few costs more than reading them: the log looks at the stream of each event.
      const all = wanted.length > PARTITIONS / 2
      const read = log.readAll({
        direction: "forwards",
        from,
        ...(all ? {} : { prefixes: wanted.flatMap(({ partition }) => prefixesOf(partition)) }),
      })
      yield* Stream.runForEach(compare(from, head) < 0 ? read : Stream.empty, (events) =>
        Effect.sync(() => {
          for (const event of events) {
            const name = parseStream(event.stream)
            const clients = name === undefined ? undefined : byPartition.get(name.partition)
            if (clients === undefined) continue
            clients.fold(event, index)
            self.merchantsOf(clients.partition).fold(event, index)
          }
        }),
      )
      for (const one of [...wanted, ...merchants]) one.endFold(head)
      for (const one of merchants) one.findSilent(index)
    })
  }

  async write(index: StreamIndex): Promise<void> {
    while (this.writing !== undefined) await this.writing
    const toWrite = { partitions: this.dumps(), mark: () => index.mark() }
    this.writing = writeClients(this.path, toWrite, this.slice).finally(() => (this.writing = undefined))
    await this.writing
  }

  /** A million clients take a second: each partition is of the moment when it is asked for. */
  private *dumps(): Generator<PartitionDump> {
    for (const clients of this.partitions.values()) {
      const { partition, live, ownIdleTimes, standardMs, isStandardInLog } = clients
      const known = this.served(partition) ?? clients.upTo
      if (known === start) continue
      const lacking = clients.lackingFacts(Number.POSITIVE_INFINITY)
      const own = [...ownIdleTimes]
      const watchedMerchants = this.merchantsOf(partition).dump()
      const standard = { standardMs, isStandardInLog }
      yield {
        ...{ partition, upTo: known, own, lacking, watchedMerchants, ...standard },
        ...live.dump(),
      }
    }
  }

  private restore({
    partition,
    upTo,
    own,
    standardMs,
    isStandardInLog = standardMs === STANDARD_IDLE_AFTER_MS,
    lacking,
    watchedMerchants,
    ...dump
  }: PartitionDump): void {
    this.merchantsOf(partition).restore(watchedMerchants, upTo)
    const clients = this.of(partition)
    clients.setStandard(standardMs)
    clients.isStandardInLog = isStandardInLog
    clients.restoreLacking(lacking)
    for (const [merchantId, times] of own) clients.setTimes(merchantId, times)
    clients.live.restore(dump, (merchantId, whereabouts) => clients.idleAfterOf(merchantId, whereabouts))
    clients.upTo = upTo
  }
}

/** The idle time that the log's first events were decided by. */
const firstStandard = (index: StreamIndex, partition: Partition): number => {
  const system: SystemSettings | undefined = index.find(merchantStream(partition, SYSTEM))?.merchant?.settings
  return system?.standardIdleAfterMsBefore ?? STANDARD_IDLE_AFTER_MS
}
