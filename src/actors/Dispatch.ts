import { PARTITIONS, type Partition, partitionOf, SYSTEM } from "../domain/Partition.js"
import { max, type Position, start } from "../domain/Position.js"
import { Admission } from "./Admission.js"
import type { PartitionNodeService } from "./PartitionNode.js"
import { MerchantPart, type Part, type PartResult, RecordPart } from "./Parts.js"
import type {
  Incoming,
  Origin,
  RecordedAs,
  RecorderService,
  RecordResult,
  SettingsCommand,
  SettingsResult,
  SystemCommand,
} from "./Recorder.js"
import type { RemotePartitionsService } from "./RemotePartitions.js"

const REMEMBERED = 50_000

/** Splits requests by partition, hands the parts to their owners, and puts the answers together. */
export class Dispatch implements RecorderService {
  readonly admission: Admission
  private readonly partitions = new Map<string, Partition>()

  /** @param direct false to go through the cluster even to partitions of this process: for tests. */
  constructor(
    private readonly node: PartitionNodeService,
    private readonly remote: RemotePartitionsService,
    private readonly direct = true,
  ) {
    this.admission = new Admission(node.tuning)
  }

  readonly record = (
    events: ReadonlyArray<Incoming>,
    origin: Origin,
    done: (result: RecordResult) => void,
  ): void => {
    const first = events[0]
    if (first === undefined) {
      done({ _tag: "Recorded", events: [], position: this.node.index.latest() })
      return
    }
    const grant = this.admission.take(events)
    if ("_tag" in grant) {
      this.node.counters.busy++
      done(grant)
      return
    }
    const answer = (result: RecordResult) => {
      this.admission.release(grant)
      this.count(result)
      done(result)
    }
    const groups = this.split(events)
    if (groups === undefined) {
      this.send(this.placeOf(first), new RecordPart(events, origin, answer))
      return
    }
    this.gather(events, groups, origin, answer)
  }

  readonly changeSettings = (command: SettingsCommand, done: (result: SettingsResult) => void): void => {
    const { merchantId, change, origin } = command
    const _tag = command.kind === "create" ? "Create" : "Update"
    this.send(this.partition(merchantId), new MerchantPart({ _tag, merchantId, change }, origin, done))
  }

  readonly changeSystem = (
    { change, origin }: SystemCommand,
    done: (result: SettingsResult) => void,
  ): void => {
    let position: Position = start
    let open = PARTITIONS
    let failed: SettingsResult | undefined
    const answered = (result: SettingsResult) => {
      if (result._tag === "Saved") position = max(position, result.position)
      else failed = result
      if (--open > 0) return
      done(failed ?? (result._tag === "Saved" ? { ...result, position } : result))
    }
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const command = { _tag: "Update", merchantId: SYSTEM, change } as const
      this.send(partition, new MerchantPart(command, origin, answered))
    }
  }

  readonly changeApiKey: RecorderService["changeApiKey"] = ({ origin, ...command }, done): void => {
    this.send(
      this.partition(command.merchantId),
      new MerchantPart({ _tag: "ApiKey", ...command }, origin, done),
    )
  }

  private send(partition: Partition, part: Part): void {
    const host = this.direct ? this.node.host(partition) : undefined
    if (host === undefined) this.remote.send(partition, part)
    else host.submit(part)
  }

  /** Undefined when all events belong to one partition, as they mostly do. */
  private split(events: ReadonlyArray<Incoming>): ReadonlyMap<Partition, ReadonlyArray<number>> | undefined {
    const groups = new Map<Partition, Array<number>>()
    let merchantId: string | undefined
    let partition = 0
    let group: Array<number> = []
    for (let index = 0; index < events.length; index++) {
      const event = events[index]
      if (event === undefined) continue
      if (event.data.merchantId !== merchantId || merchantId === SYSTEM) {
        merchantId = event.data.merchantId
        partition = this.placeOf(event)
        group = groups.get(partition) ?? []
        if (group.length === 0) groups.set(partition, group)
      }
      group.push(index)
    }
    return groups.size <= 1 ? undefined : groups
  }

  private gather(
    events: ReadonlyArray<Incoming>,
    groups: ReadonlyMap<Partition, ReadonlyArray<number>>,
    origin: Origin,
    done: (result: RecordResult) => void,
  ): void {
    const results = new Array<RecordedAs>(events.length)
    let position: Position = start
    let open = groups.size
    let failed: RecordResult | undefined
    for (const [partition, indexes] of groups) {
      const some = indexes.flatMap((index) => events[index] ?? [])
      const answered = (result: PartResult) => {
        if (result._tag === "Recorded") {
          position = max(position, result.position)
          result.events.forEach((as, at) => {
            results[indexes[at] ?? 0] = as
          })
        } else failed = result
        if (--open === 0) done(failed ?? { _tag: "Recorded", events: results, position })
      }
      this.send(partition, new RecordPart(some, origin, answered))
    }
  }

  private placeOf(event: Incoming): Partition {
    const { merchantId, clientKey } = event.data
    return merchantId === SYSTEM
      ? partitionOf(SYSTEM, event.profile?.clientId ?? clientKey ?? "")
      : this.partition(merchantId)
  }

  private partition(merchantId: string): Partition {
    const known = this.partitions.get(merchantId)
    if (known !== undefined) return known
    const partition = partitionOf(merchantId)
    if (this.partitions.size >= REMEMBERED) this.partitions.clear()
    this.partitions.set(merchantId, partition)
    return partition
  }

  private count(result: RecordResult): void {
    const { counters } = this.node
    if (result._tag !== "Recorded") {
      counters.unavailable++
      return
    }
    for (const { _tag } of result.events) {
      if (_tag === "Accepted") counters.accepted++
      else if (_tag === "Duplicate") counters.duplicates++
      else counters.refused++
    }
  }
}
