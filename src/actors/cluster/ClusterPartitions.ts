import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type { Partition as PartitionNumber } from "../../domain/Partition.js"
import type { Part, PartResult } from "../Parts.js"
import type { SettingsResult } from "../Recorder.js"
import { RemotePartitions } from "../RemotePartitions.js"
import { Partition, type WirePart, type WireResult } from "./PartitionEntity.js"

const wire = (part: Part): WirePart =>
  part._tag === "Record"
    ? { _tag: "Record", events: part.events, origin: part.origin }
    : { _tag: "Merchant", command: part.command, origin: part.origin }

const answer = (part: Part, result: WireResult): void => {
  if (part._tag === "Record") part.answer(result as PartResult)
  else part.answer(result as SettingsResult)
}

/** Sends retry for as long as no owner is up, so they need an end of their own. */
const PATIENCE = Duration.seconds(10)

/** Parts for the same partition that come in one tick travel in one message. */
export const layer = Layer.effect(
  RemotePartitions,
  Effect.gen(function* () {
    const client = yield* Partition.client
    const run = Runtime.runCallback(yield* Effect.runtime<never>())
    let waiting = new Map<PartitionNumber, Array<Part>>()

    const sendOne = (partition: PartitionNumber, parts: ReadonlyArray<Part>) => {
      run(
        client(String(partition))
          .Submit({ parts: parts.map(wire) })
          .pipe(Effect.timeout(PATIENCE)),
        {
          onExit: Exit.match({
            onSuccess: (results) =>
              parts.forEach((part, index) => {
                const result = results[index]
                if (result !== undefined) answer(part, result)
              }),
            onFailure: () => {
              const reason = `no owner of partition ${partition} has answered; send again`
              for (const part of parts) answer(part, { _tag: "Unavailable", reason, retryAfterSeconds: 5 })
            },
          }),
        },
      )
    }

    const send = () => {
      const groups = waiting
      waiting = new Map()
      for (const [partition, parts] of groups) sendOne(partition, parts)
    }

    return RemotePartitions.of({
      send: (partition, part) => {
        const parts = waiting.get(partition)
        if (parts !== undefined) {
          parts.push(part)
          return
        }
        waiting.set(partition, [part])
        if (waiting.size === 1) setImmediate(send)
      },
    })
  }),
)
