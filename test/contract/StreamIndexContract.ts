import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { fold } from "../../src/actors/IndexRecovery.js"
import type { Stored, StreamIndex } from "../../src/actors/StreamIndex.js"
import type { RecordedEvent } from "../../src/domain/Event.js"
import { eventId, streamNamespace } from "../../src/domain/Ids.js"
import { compare, fromNumber, type Position, start } from "../../src/domain/Position.js"

/** One directory of an index: `crashed` is a copy of what a killed process would leave now. */
export interface StreamIndexHarness {
  readonly open: () => Promise<StreamIndex>
  readonly crashed: () => StreamIndexHarness
}

const idOf = (stream: string, id: number) => eventId(streamNamespace(stream), `e-${id}`)

const stored = (partition: number, revision: number, sequence: number, count = 1): Stored => {
  const stream = `merchant-${String(partition).padStart(3, "0")}.m`
  return {
    stream,
    partition,
    revision,
    position: fromNumber(sequence),
    recordedAt: 1_000 + sequence,
    eventIds: Array.from({ length: count }, (_, index) => idOf(stream, revision - count + 1 + index)),
    merchant: { settings: { timezone: "UTC", currency: "USD" }, apiKeys: {} },
    merchantChanged: revision - count < 0,
  }
}

export const streamIndexContract = (name: string, make: () => StreamIndexHarness) => {
  describe(`stream index: ${name}`, () => {
    it("knows what was recorded at once, and after it was opened again", async () => {
      const harness = make()
      let index = await harness.open()
      const one = stored(3, 4, 10, 5)
      index.record(one)
      const check = () => {
        expect(index.find(one.stream)).toEqual({ revision: 4, merchant: one.merchant })
        expect(one.eventIds.every((id) => index.has(id))).toBe(true)
        expect(index.has(idOf(one.stream, 5))).toBe(false)
        expect(index.find("merchant-003.n")).toBeUndefined()
        expect(index.clock(3)).toBe(1_010)
        expect(index.clock(4)).toBe(0)
        expect(index.latest()).toBe("10")
      }
      check()
      await index.close()
      index = await harness.open()
      check()
      await index.close()
    })

    it("knows who is idle, and that one is not any more, also when it was opened again", async () => {
      const harness = make()
      let index = await harness.open()
      const stream = "client-003.c"
      const silence = { lastActivityAt: 1, lastRecordedAt: 2, idleSince: 11, afterMs: 10, historical: false }
      const record = (revision: number, presence: Stored["presence"]) =>
        index.record({
          ...{ stream, partition: 3, revision, position: fromNumber(revision + 10), recordedAt: 1_000 },
          eventIds: [idOf(stream, revision)],
          ...(presence === undefined ? {} : { presence }),
        })
      const again = async () => {
        await index.close()
        index = await harness.open()
        return index.find(stream)
      }
      record(0, undefined)
      expect(await again()).toEqual({ revision: 0 })
      record(1, { silence, position: fromNumber(11) })
      const idle = { revision: 1, presence: { silence, position: "11" } }
      expect(index.find(stream)).toEqual(idle)
      expect(await again()).toEqual(idle)
      record(2, { position: fromNumber(12) })
      expect(await again()).toEqual({ revision: 2, presence: { position: "12" } })
      await index.close()
    })

    it("keeps the merchant through later events that do not change it", async () => {
      const harness = make()
      let index = await harness.open()
      index.record(stored(3, 0, 1))
      await index.flush()
      index.record(stored(3, 1, 2))
      index.record(stored(3, 2, 3))
      await index.close()
      index = await harness.open()
      expect(index.find("merchant-003.m")).toMatchObject({
        revision: 2,
        merchant: { settings: { currency: "USD" } },
      })
      await index.close()
    })

    it("the checkpoint never passes what an append in flight may still store", async () => {
      const index = await make().open()
      for (const partition of [1, 2, 3]) index.hold(partition)
      index.record(stored(1, 0, 5))
      const slow = index.begin()
      const quick = index.begin()
      index.record(stored(2, 0, 9))
      index.end(quick)
      expect(index.positionOf(1)).toBe("5")
      expect(index.latest()).toBe("9")
      index.record(stored(3, 0, 7))
      index.end(slow)
      expect(index.positionOf(1)).toBe("9")
      await index.close()
    })

    it("a partition that is let go stays where it was while others go on", async () => {
      const harness = make()
      let index = await harness.open()
      index.hold(1)
      index.hold(2)
      index.record(stored(1, 0, 5))
      index.release(1)
      index.record(stored(2, 0, 9))
      await index.close()
      index = await harness.open()
      expect(index.positionOf(1)).toBe("5")
      expect(index.positionOf(2)).toBe("9")
      await index.close()
    })

    it("says when there is no room, and when there is again", async () => {
      const index = await make().open()
      let sequence = 0
      while (index.hasRoom()) index.record(stored(1, sequence, ++sequence))
      await new Promise<void>((resolve) => index.whenRoom(resolve))
      expect(index.hasRoom()).toBe(true)
      await index.close()
    })

    it("forgets everything when it is cleared", async () => {
      const harness = make()
      let index = await harness.open()
      index.record(stored(1, 0, 5))
      await index.clear()
      await index.close()
      index = await harness.open()
      expect(index.find("merchant-001.m")).toBeUndefined()
      expect(index.has(idOf("merchant-001.m", 0))).toBe(false)
      expect(index.positionOf(1)).toBe(start)
      await index.close()
    })

    it("killed at any moment it holds all up to its checkpoint, and a replay from there adds the rest", async () => {
      const scenario = fc.record({
        /** The partition of each event, in log order. */
        partitions: fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 60, size: "max" }),
        /** In what order answers come, and when what is recorded is flushed and the process killed. */
        steps: fc.array(fc.constantFrom("send", "send", "answer", "answer", "flush"), {
          maxLength: 150,
          size: "max",
        }),
        picks: fc.array(fc.nat(), { minLength: 1, maxLength: 50, size: "max" }),
      })
      await fc.assert(
        fc.asyncProperty(scenario, async ({ partitions, steps, picks }) => {
          const revisions = [-1, -1, -1, -1]
          const log: ReadonlyArray<RecordedEvent> = partitions.map((partition, at) => {
            const revision = ++(revisions as Array<number>)[partition]!
            const one = stored(partition, revision, at + 1)
            return {
              stream: one.stream,
              revision,
              position: one.position,
              eventId: one.eventIds[0] as string,
              event: {
                v: 1,
                type: revision === 0 ? "MerchantCreated" : "pageview",
                at: 0,
                data: {
                  id: `e-${revision}`,
                  merchantId: "m",
                  ...(revision === 0 ? { settings: { timezone: "UTC", currency: "USD" } } : {}),
                },
              },
              metadata: { recordedAt: one.recordedAt, source: "api", key: "k" },
            }
          })
          const harness = make()
          const index = await harness.open()
          for (const partition of [0, 1, 2, 3]) index.hold(partition)
          let next = 0
          let pick = 0
          const inFlight: Array<{ readonly at: number; readonly ticket: ReturnType<StreamIndex["begin"]> }> =
            []
          for (const step of steps) {
            if (step === "flush") await index.flush()
            // A partition has one append in flight, so its next event waits for the answer.
            else if (
              step === "send" &&
              next < log.length &&
              !inFlight.some(({ at }) => partitions[at] === partitions[next])
            ) {
              inFlight.push({ at: next++, ticket: index.begin() })
            } else if (step === "answer" && inFlight.length > 0) {
              const [answered] = inFlight.splice((picks[pick++ % picks.length] ?? 0) % inFlight.length, 1)
              const event = log[answered?.at ?? 0] as RecordedEvent
              fold(index, event)
              if (answered !== undefined) index.end(answered.ticket)
            }
          }
          const after = await harness.crashed().open()
          await index.close()
          const upTo = [0, 1, 2, 3].map(after.positionOf)
          for (const [at, event] of log.entries()) {
            if (compare(event.position, upTo[partitions[at] as number] as Position) <= 0) {
              expect(after.has(event.eventId)).toBe(true)
            }
          }
          for (let round = 0; round < 2; round++) {
            for (const [at, event] of log.entries()) {
              if (compare(event.position, upTo[partitions[at] as number] as Position) > 0) fold(after, event)
            }
            for (const event of log) expect(after.has(event.eventId)).toBe(true)
            revisions.forEach((revision, partition) => {
              const entry = after.find(`merchant-00${partition}.m`)
              expect(entry?.revision ?? -1).toBe(revision)
              if (revision >= 0) expect(entry?.merchant?.settings?.currency).toBe("USD")
            })
          }
          await after.close()
        }),
        { numRuns: 25, endOnFailure: true },
      )
    })
  })
}
