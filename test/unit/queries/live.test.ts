import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import type { Position } from "../../../src/domain/Position.js"
import type { ClientDoc } from "../../../src/projections/clients.js"
import { ActiveClients } from "../../../src/queries/live/ActiveClients.js"
import { Latest } from "../../../src/queries/live/Latest.js"

describe("Latest", () => {
  it("gives a slow reader the newest and holds nothing else", async () => {
    const latest = new Latest<number>(0, () => {})
    for (let value = 1; value <= 100_000; value++) latest.offer(value)
    expect(await latest.next()).toEqual({ done: false, value: 100_000 })
    latest.end()
    expect(await latest.next()).toEqual({ done: true, value: undefined })
  })

  it("keeps two values apart by the gap, and still gives the newest", async () => {
    const latest = new Latest<number>(200, () => {})
    latest.offer(1)
    await latest.next()
    const began = performance.now()
    const next = latest.next()
    latest.offer(2)
    latest.offer(3)
    expect((await next).value).toBe(3)
    expect(performance.now() - began).toBeGreaterThanOrEqual(190)
    latest.end()
  })

  it("ends once, and ends who waits", async () => {
    let ended = 0
    const latest = new Latest<number>(0, () => ended++)
    const waiting = latest.next()
    await latest.return()
    await latest.return()
    expect([(await waiting).done, ended]).toEqual([true, 1])
  })
})

describe("ActiveClients", () => {
  const SILENCE = 100
  const recorded = (client: number, at: number, recordedAt: number): RecordedEvent => ({
    eventId: "",
    stream: "",
    revision: 0,
    position: "1" as Position,
    event: { v: 1, type: "pageview", at, data: { id: "", merchantId: "m", clientKey: `k${client}` } },
    metadata: { recordedAt, source: "", key: "" },
  })
  const docOf = (clientKey: string, { l, r }: { l: number; r: number }): ClientDoc => ({
    ...{ merchantId: "m", clientKey, firstSeenAt: l, lastSeenAt: l, lastRecordedAt: r },
    ...{ requests: 0, events: 1, idle: false },
  })

  it("counts what the documents of the projection say, whatever was there before it began", () => {
    const step = fc.record({
      client: fc.nat(5),
      after: fc.nat(60),
      late: fc.oneof(fc.constant(0), fc.nat(400)),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(60), fc.nat(30), (steps, began, scanned) => {
        const docs = new Map<string, { l: number; r: number }>()
        const active = new ActiveClients(SILENCE)
        let now = 1_000
        const scan = () =>
          active.fill(
            [...docs].map(([key, doc]) => docOf(key, doc)),
            now,
          )
        steps.forEach(({ client, after, late }, index) => {
          now += after
          if (index === began + scanned) scan()
          const at = now - late
          const known = docs.get(`k${client}`)
          if (known === undefined || at > known.l) docs.set(`k${client}`, { l: at, r: now })
          if (index < began) return
          active.note(recorded(client, at, now))
          if (index < began + scanned) return
          for (const key of active.takeUnknown()) active.resolve(key, docOf(key, docs.get(key)!))
          const expected = [...docs.values()].filter(({ r }) => now - r < SILENCE).length
          expect(active.count(now)).toBe(expected)
        })
      }),
      { numRuns: 2_000 },
    )
  })
})
