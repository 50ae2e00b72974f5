import * as Entity from "@effect/cluster/Entity"
import * as Rpc from "@effect/rpc/Rpc"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Merchant from "../Merchant.js"
import type { PartitionHost } from "../PartitionHost.js"
import { PartitionNode } from "../PartitionNode.js"
import { MerchantPart, type PartResult, RecordPart } from "../Parts.js"
import type { Incoming, Origin, SettingsResult } from "../Recorder.js"

/** A part as it travels between nodes. */
export type WirePart =
  | { readonly _tag: "Record"; readonly events: ReadonlyArray<Incoming>; readonly origin: Origin }
  | {
      readonly _tag: "Merchant"
      readonly command: Merchant.Command & { readonly _tag: "Create" | "Update" | "ApiKey" }
      readonly origin: Origin
    }

export type WireResult = PartResult | SettingsResult

/** Nodes of one cluster run the same code and trust each other: texts are parsed, not checked again. */
const json = <A>() => Schema.parseJson(Schema.Unknown as unknown as Schema.Schema<A>)

/** Volatile messages: the event log is the durable part, and ids make sending again safe. */
export const Partition = Entity.make("Partition", [
  Rpc.make("Wake", { success: Schema.Void }),
  Rpc.make("Submit", {
    payload: { parts: json<ReadonlyArray<WirePart>>() },
    success: json<ReadonlyArray<WireResult>>(),
  }),
])

const submit = (
  host: PartitionHost,
  parts: ReadonlyArray<WirePart>,
): Effect.Effect<ReadonlyArray<WireResult>> =>
  Effect.async((resume) => {
    const results = new Array<WireResult>(parts.length)
    let open = parts.length
    if (open === 0) return resume(Effect.succeed([]))
    parts.forEach((part, index) => {
      const done = (result: WireResult) => {
        results[index] = result
        if (--open === 0) resume(Effect.succeed(results))
      }
      host.submit(
        part._tag === "Record"
          ? new RecordPart(part.events, part.origin, done)
          : new MerchantPart(part.command, part.origin, done),
      )
    })
  })

/** Hosts the partition for as long as the cluster places it here. */
export const layer = Partition.toLayer(
  Effect.gen(function* () {
    const address = yield* Entity.CurrentAddress
    const node = yield* PartitionNode
    const host = yield* node.activate(Number(address.entityId))
    return Partition.of({
      Wake: () => Effect.void,
      Submit: ({ payload }) => submit(host, payload.parts),
    })
  }),
  { maxIdleTime: Duration.infinity, concurrency: "unbounded", mailboxCapacity: "unbounded" },
)
