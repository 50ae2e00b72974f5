import { setImmediate } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { becameIdle, ofMerchants } from "../../../../src/actors/clients/Facts.js"
import { nowhere } from "../../../../src/actors/clients/LiveClients.js"
import { PartitionMerchants } from "../../../../src/actors/clients/PartitionMerchants.js"
import type { StreamIndex } from "../../../../src/actors/StreamIndex.js"
import {
  type RecordedEvent,
  type Silence,
  type StoredEvent,
  SystemType,
} from "../../../../src/domain/Event.js"
import { silenceAt } from "../../../../src/domain/Idle.js"
import { rounds } from "../../../support/rounds.js"
import { type Random, seededRandom } from "../../../support/Seed.js"
import { shops } from "../../../support/shops.js"
import { rawOfMerchants } from "../../../support/silenceLog.js"
import { type OracleSilence, silencesOf } from "../../../support/silenceOracle.js"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "Pacific/Apia",
]

const neverAsked = new Proxy({} as StreamIndex, {
  get: () => {
    throw new Error("the log alone says who is silent")
  },
})

/** A merchant's part of a log without any fact: what was sent, late and imported things too, and settings. */
const rawLog = (
  random: Random,
  merchantId: string,
  from: number,
  weeks: number,
): ReadonlyArray<RecordedEvent> => {
  const shop = random.pick(shops)
  const zone = random.pick(ZONES)
  const recorded = shop.recordings(random, from, weeks * 7)
  // Of the busy some: the oracle looks through all gaps for each recording.
  const sent = recorded.filter(() => random.next() < 1_500 / recorded.length)
  const away = Array.from({ length: 4 }, () => {
    const begin = from + random.integer(weeks * 7 * DAY)
    return { begin, end: begin + random.integer(random.pick([3, 30]) * DAY) }
  })
  const settings: Array<{ at: number; change: Record<string, unknown> }> = [
    { at: from, change: { timezone: zone, silentAfter: "LEARNED" } },
    ...Array.from({ length: random.integer(3) }, () => ({
      at: from + random.integer(weeks * 7 * DAY),
      change: random.pick<Record<string, unknown>>([
        { timezone: random.pick(ZONES) },
        { silentAfter: "LEARNED", silentAfterSeconds: 86_400 * random.integer(5), timezone: zone },
        { silentAfter: "SECONDS", silentAfterSeconds: 7_200 * random.integer(2) },
        { silentAfter: "LEARNED", silentAfterSeconds: 0, timezone: random.pick(ZONES) },
      ]),
    })),
  ]
  const all = [
    ...sent
      .filter((at) => away.every(({ begin, end }) => at < begin || at > end))
      .map((recordedAt) => {
        const kind = random.integer(20)
        const behind = kind > 2 ? 0 : kind === 0 ? random.integer(3 * DAY) : random.integer(2 * HOUR)
        return { recordedAt, at: recordedAt - behind, type: "pageview", settings: undefined }
      }),
    ...settings.map(({ at, change }) => ({
      recordedAt: at,
      at,
      type: at === from ? SystemType.MerchantCreated : SystemType.MerchantSettingsChanged,
      settings: change,
    })),
  ].sort((a, b) => a.recordedAt - b.recordedAt)
  return all.map(({ recordedAt, at, type, settings: change }, index) => ({
    stream: `merchant-007.${merchantId}`,
    revision: index,
    position: String(2 * index + 2) as RecordedEvent["position"],
    eventId: `e-${index}`,
    metadata: { recordedAt, source: "api", key: "" },
    event: {
      ...{ v: 1, type, at },
      data: { id: `e-${index}`, merchantId, ...(change === undefined ? {} : { settings: change }) },
    },
  }))
}

/**
 * What reading the log finds, with restarts from what is kept of it. Now and then the clock's report is in the log, as
 * it always is before a setting; what is missing is supplied.
 */
const silencesRead = (log: ReadonlyArray<RecordedEvent>, end: number, random: Random) => {
  let merchants = new PartitionMerchants(7)
  const found = new Map<number, Omit<OracleSilence, "dueAt" | "endedAt"> & { readonly hasEnded: boolean }>()
  const fell = ({ data }: StoredEvent): void => {
    if (data.silence === undefined) return
    const { lastActivityAt, afterMs, historical } = data.silence
    found.set(lastActivityAt, { lastActivityAt, afterMs, historical, hasEnded: false })
  }
  const pass = (clock: number, event: RecordedEvent | undefined): void => {
    for (const { active, afterMs } of merchants.live.due(clock, 10)) {
      const silence = silenceAt(active, clock, afterMs) as Silence
      const fact = becameIdle(ofMerchants, "m", "m", silence, nowhere)
      fell(fact)
      if (event === undefined) continue
      const metadata = { ...event.metadata, recordedAt: clock }
      merchants.fold({ ...event, eventId: `${event.eventId}-fact`, metadata, event: fact }, neverAsked)
    }
  }
  for (const event of log) {
    if (random.integer(50) === 0) {
      const dump = JSON.parse(JSON.stringify(merchants.dump()))
      const { upTo } = merchants
      merchants = new PartitionMerchants(7)
      merchants.restore(dump, upTo)
    }
    const before = { ...event, position: `${BigInt(event.position) - 1n}` as RecordedEvent["position"] }
    const isSetting = event.event.data.settings !== undefined
    if (isSetting || random.integer(2) === 0) pass(event.metadata.recordedAt, before)
    merchants.fold(event, neverAsked)
  }
  for (const fact of merchants.lackingFacts(Number.POSITIVE_INFINITY)) {
    fell(fact)
    const ended = found.get(fact.data.return?.lastActivityAt ?? 0)
    if (ended !== undefined) found.set(ended.lastActivityAt, { ...ended, hasEnded: true })
  }
  pass(end, undefined)
  return [...found.values()].sort((a, b) => a.lastActivityAt - b.lastActivityAt)
}

describe("silences that are learned", () => {
  const LOGS = rounds(60, 600)

  it(`are the oracle's, in every time zone, over ${LOGS} random logs and restarts between any two events`, {
    timeout: 600_000,
  }, async () => {
    const { random } = seededRandom("learned silences")
    let silences = 0
    let learned = 0
    for (let n = 0; n < LOGS; n++) {
      // The runner hears from the test meanwhile.
      await setImmediate()
      // Both changes of the clocks are in some of them.
      const from = Date.UTC(2026, random.integer(12), 1 + random.integer(28), random.integer(24))
      const weeks = 6 + random.integer(10)
      const log = rawLog(random, "m", from, weeks)
      const end = from + (weeks * 7 + random.integer(30)) * DAY
      const raw = rawOfMerchants(log).get("m") ?? []
      const expected = silencesOf(raw, end).map(({ dueAt: _, endedAt, ...silence }) => ({
        ...silence,
        hasEnded: endedAt !== undefined,
      }))
      const actual = silencesRead(log, end, random)
      expect(actual, `log ${n}`).toEqual(expected)
      silences += expected.length
      learned += expected.filter(({ afterMs }) => afterMs % HOUR !== 0).length
    }
    console.log(`${silences} silences, ${learned} of them by what was learned`)
    expect(learned).toBeGreaterThan(LOGS / 6)
  })
})
