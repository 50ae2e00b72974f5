import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { LiveClients } from "../../../../src/actors/clients/LiveClients.js"
import { parseAccessLine } from "../../../../src/cli/import/AccessLog.js"
import { logClientId } from "../../../../src/cli/import/accessLogFormat.js"
import type { Silence } from "../../../../src/domain/Event.js"
import { type Idle, isIdle, type Presence, silenceAt, touch } from "../../../../src/domain/Idle.js"
import { clientKey } from "../../../../src/domain/Ids.js"
import {
  idlePeriods,
  type OracleChange,
  type OracleEvent,
  type OraclePeriod,
} from "../../../support/idleOracle.js"
import { realFile } from "../../../support/realFile.js"
import { rounds } from "../../../support/rounds.js"
import { type Random, seededRandom } from "../../../support/Seed.js"

/** What the machine and the table report, by the rules that a partition follows: who is due first, then the event. */
class Partition {
  private readonly live = new LiveClients()
  private readonly idle = new Map<string, Idle>()
  private readonly merchants = new Map<string, number>()
  private readonly names = new Map<string, string>()
  private readonly open = new Map<string, OraclePeriod>()
  readonly periods: Array<OraclePeriod> = []

  constructor(private readonly idleAfterMs: number) {}

  record({ merchant, client, at, recordedAt }: OracleEvent): void {
    this.pass(recordedAt)
    const key = clientKey(Buffer.from("secret"), merchant, client)
    this.names.set(key, client)
    const afterMs = this.merchants.get(merchant) ?? this.idleAfterMs
    const presence: Presence = this.live.get(key) ?? this.idle.get(key)
    const touched = touch(presence, Math.min(at, recordedAt), recordedAt, afterMs)
    if (touched.silence !== undefined)
      this.became(key, merchant, touched.silence, { by: "event", at: recordedAt })
    if (touched.return !== undefined) {
      const period = this.open.get(key)
      if (period === undefined) throw new Error(`${key} returned and was not idle`)
      this.periods.push({ ...period, returnedAt: touched.return.returnedAt })
      this.open.delete(key)
    }
    if (isIdle(touched.next)) return
    this.idle.delete(key)
    this.live.put(key, merchant, afterMs, touched.next)
  }

  pass(clock: number): void {
    for (;;) {
      const due = this.live.due(clock, 100)
      if (due.length === 0) break
      for (const { clientKey, merchantId, active } of due) {
        const afterMs = this.merchants.get(merchantId) ?? this.idleAfterMs
        const silence = silenceAt(active, clock, afterMs)
        if (silence === undefined) throw new Error("the table gave a client that is not due")
        const at = Math.max(active.recordedAt + afterMs, this.changed.get(merchantId) ?? 0)
        this.became(clientKey, merchantId, silence, { by: "clock", at })
        this.live.remove(clientKey)
        this.idle.set(clientKey, { silence })
      }
    }
    if (this.live.hasDue(clock)) throw new Error("the table kept a client that was due")
  }

  private readonly changed = new Map<string, number>()

  change({ merchant, recordedAt, idleAfterMs = 0 }: OracleChange): void {
    this.pass(recordedAt)
    this.merchants.set(merchant, idleAfterMs)
    this.changed.set(merchant, recordedAt)
    this.live.setIdleTimes(merchant, () => idleAfterMs)
  }

  end(clock: number): ReadonlyArray<OraclePeriod> {
    this.pass(clock)
    return [...this.periods, ...this.open.values()]
  }

  private became(key: string, merchant: string, silence: Silence, reported: OraclePeriod["reported"]): void {
    if (this.open.has(key)) throw new Error(`${key} became idle twice`)
    const { lastActivityAt, idleSince, historical } = silence
    const client = this.names.get(key) as string
    this.open.set(key, {
      merchant,
      client,
      lastActivityAt,
      idleSince,
      reported,
      returnedAt: null,
      historical,
    })
  }
}

const byPlace = (periods: ReadonlyArray<OraclePeriod>): ReadonlyArray<string> =>
  periods.map((period) => JSON.stringify(Object.entries(period).sort())).sort()

/** The same, whatever the oracle and the machine call the time of a report by the clock when settings changed. */
const compare = (
  events: ReadonlyArray<OracleEvent>,
  idleAfterMs: number,
  end: number,
  changes: ReadonlyArray<OracleChange> = [],
): number => {
  const partition = new Partition(idleAfterMs)
  let next = 0
  events.forEach((event, place) => {
    while ((changes[next]?.before ?? Number.POSITIVE_INFINITY) <= place)
      partition.change(changes[next++] as OracleChange)
    partition.record(event)
  })
  const expected = idlePeriods(events, { idleAfterMs, end, changes })
  const actual = byPlace(partition.end(end))
  const wanted = byPlace(expected)
  expect(actual.filter((one, index) => one !== wanted[index]).slice(0, 3)).toEqual(
    wanted.filter((one, index) => one !== actual[index]).slice(0, 3),
  )
  expect(actual.length).toBe(wanted.length)
  return wanted.length
}

const START = Date.UTC(2026, 0, 1)
const MINUTE = 60_000

/** Skewed and bursty, some late, some from the future, some history that is imported now. */
const activity = (random: Random, events: number, clients: number): ReadonlyArray<OracleEvent> => {
  const found: Array<OracleEvent> = []
  let clock = START
  while (found.length < events) {
    // Now and then nothing happens for a long time.
    clock += random.integer(200) === 0 ? random.integer(90 * MINUTE) : random.integer(3_000)
    const number = Math.floor(clients * random.next() ** 3)
    const merchant = `m-${number % 7}`
    const client = `c-${number}`
    const burst = random.integer(10) === 0 ? 1 + random.integer(12) : 1
    const kind = random.integer(20)
    const offset =
      kind < 12
        ? 0
        : kind < 15
          ? -random.integer(2 * MINUTE)
          : kind < 16
            ? random.integer(5 * MINUTE)
            : kind < 18
              ? -random.integer(90 * MINUTE)
              : -random.integer(400 * 24 * 60 * MINUTE)
    for (let n = 0; n < burst; n++) {
      clock += random.integer(3) === 0 ? random.integer(200) : 0
      found.push({
        merchant,
        client,
        at: clock + offset + n * random.integer(20 * MINUTE),
        recordedAt: clock,
      })
    }
  }
  return found
}

describe("idle periods in virtual time", () => {
  const EVENTS = rounds(60_000, 1_000_000)
  const CLIENTS = rounds(6_000, 100_000)

  it(`the machine and the oracle agree on ${EVENTS} events of ${CLIENTS} clients`, {
    timeout: 600_000,
  }, () => {
    const { random } = seededRandom("idle periods")
    const events = activity(random, EVENTS, CLIENTS)
    const end = (events.at(-1) as OracleEvent).recordedAt + random.integer(60 * MINUTE)
    for (const idleAfterMs of [MINUTE, 30 * MINUTE]) {
      const found = compare(events, idleAfterMs, end)
      console.log(`idle after ${idleAfterMs / MINUTE} min: ${found} periods`)
      expect(found).toBeGreaterThan(0)
    }
  })

  it("and when merchants change their idle times while it runs", { timeout: 600_000 }, () => {
    const { random } = seededRandom("idle periods with changes")
    const events = activity(random, EVENTS, CLIENTS)
    const end = (events.at(-1) as OracleEvent).recordedAt + 10 * MINUTE
    const places = Array.from({ length: 40 }, () => random.integer(events.length)).sort((a, b) => a - b)
    const changes = places.map((before) => ({
      before,
      merchant: `m-${random.integer(7)}`,
      recordedAt: (events[before] as OracleEvent).recordedAt,
      idleAfterMs: MINUTE * (1 + random.integer(60)),
    }))
    compare(events, 20 * MINUTE, end, changes)
  })

  const { path, missing } = realFile("access.log")
  it.skipIf(missing)(
    "on a real access log, live and imported, for several idle times",
    { timeout: 600_000 },
    () => {
      const lines = readFileSync(path)
        .toString("latin1")
        .split("\n")
        .flatMap((text) => {
          const line = text === "" ? "" : parseAccessLine(Buffer.from(text, "latin1"))
          return typeof line === "string" ? [] : [line]
        })
      expect(lines.length).toBeGreaterThan(1_000)
      const seen = lines.map((line) => ({
        merchant: "m",
        client: logClientId(line.host, line.agentBytes),
        at: line.at,
      }))
      for (const minutes of [1, 5, 30, 24 * 60]) {
        const sorted = seen.toSorted((a, b) => a.at - b.at)
        const asLive = sorted.map((event) => ({ ...event, recordedAt: event.at }))
        const live = compare(
          asLive,
          minutes * MINUTE,
          (asLive.at(-1) as OracleEvent).recordedAt + 48 * 60 * MINUTE,
        )
        const now = Date.UTC(2026, 0, 1)
        const imported = compare(
          seen.map((event, at) => ({ ...event, recordedAt: now + Math.floor(at / 5) })),
          minutes * MINUTE,
          now + 48 * 60 * MINUTE,
        )
        console.log(`access.log, idle after ${minutes} min: ${live} periods live, ${imported} imported`)
      }
    },
  )
})
