import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { type RecordedEvent, SystemType } from "../../domain/Event.js"
import { longestIdleTime } from "../../domain/IdleTimes.js"
import { partitionOf } from "../../domain/Partition.js"
import { compare, max, type Position, start } from "../../domain/Position.js"
import type { SystemSettings } from "../../domain/Settings.js"
import { bucketStart, nextBucket } from "../../domain/TimeBuckets.js"
import type { EventLogService } from "../../eventlog/EventLog.js"
import { PROJECTION as CLIENTS, clientsScan, decodeClient } from "../../projections/clients.js"
import { PROJECTION as METRICS, metricValue, sumOf } from "../../projections/metrics.js"
import type { ReadModelsService } from "../../readmodels/ReadModels.js"
import { clientRef, type ListedEvent, nameClients } from "../ClientNames.js"
import type { Freshness } from "../Freshness.js"
import type { MerchantBuckets, Part } from "../MerchantBuckets.js"
import type { Merchant, MerchantQueries } from "../MerchantQueries.js"
import { allNeeds, type MetricValue, type Point, valuesOf } from "../MetricQueries.js"
import type { Profiles } from "../Profiles.js"
import type { ProgressBoard } from "../ProgressBoard.js"
import type { QueryError } from "../QueryError.js"
import { ofMerchant } from "../Scope.js"
import { ActiveClients } from "./ActiveClients.js"
import type { Feed, Following } from "./Feed.js"
import type { Latest } from "./Latest.js"
import { NewestEvents } from "./NewestEvents.js"

export type LiveEvent = ListedEvent

export interface LiveMetrics {
  readonly merchantId: string
  /** Epoch ms. */
  readonly at: number
  /** `today` counts every event up to here. */
  readonly position: Position
  readonly activeClients: number
  readonly lastMinutes: ReadonlyArray<Point>
  readonly today: ReadonlyArray<MetricValue>
  readonly latest: ReadonlyArray<LiveEvent>
}

export interface LiveDeps {
  readonly log: EventLogService
  readonly readModels: ReadModelsService
  readonly freshness: Freshness
  readonly board: ProgressBoard
  readonly profiles: Profiles
  readonly buckets: MerchantBuckets
  readonly merchants: MerchantQueries
  readonly idleAfterMs: number
  readonly now: () => number
}

interface Reader {
  readonly latest: Latest<LiveMetrics>
  readonly after: Position | undefined
  served: boolean
}

const MINUTES = 30
const MINUTE = 60_000
/** How often the view looks whether something changed. */
const TICK_MS = 100
const SCAN_CHUNK = 2_000
const RESCAN_MS = 5_000
const COMPLAIN_MS = 10_000
/**
 * Messages are a second apart: one that lacks an event which is about to be counted would keep back the one that has
 * it. So what changes otherwise waits so long for such an event.
 */
const AWAITED_MS = 1_500
/** How long one state waits for what it is made of to be level. */
const LEVEL_MS = 1_000

/** One merchant's live numbers, made once for all who watch it. */
export class LiveView {
  private readonly readers = new Set<Reader>()
  private readonly following: Following
  private readonly newest: NewestEvents
  private active: ActiveClients
  private state: LiveMetrics | undefined
  private shown = ""
  /** Position of the merchant's newest event that was heard of. */
  private heard: Position = start
  /** Since when the state lacks an event that was heard, and has not come nearer to it, epoch ms. */
  private awaitedSince: number | undefined
  private settingsChanged = false
  private scannedAt = Number.NEGATIVE_INFINITY
  private busy = false
  private complainedAt = Number.NEGATIVE_INFINITY
  private readonly timer: NodeJS.Timeout

  constructor(
    private merchant: Merchant,
    system: SystemSettings | undefined,
    private readonly deps: LiveDeps,
    feed: Feed,
    private readonly runtime: Runtime.Runtime<never>,
  ) {
    this.active = new ActiveClients(longestIdleTime(merchant.settings, system, deps.idleAfterMs))
    this.active.incomplete = true
    this.newest = new NewestEvents(deps.log, merchant.id)
    this.following = feed.follow(merchant.id, (event) => this.hear(event))
    this.timer = setInterval(() => this.tick(), TICK_MS)
    this.timer.unref()
  }

  get watchers(): number {
    return this.readers.size
  }

  join(latest: Latest<LiveMetrics>, after: Position | undefined): () => void {
    const reader: Reader = { latest, after, served: false }
    this.readers.add(reader)
    if (this.state !== undefined && !this.isDue()) this.serve(reader, this.state)
    else this.tick()
    return () => {
      this.readers.delete(reader)
    }
  }

  close(): void {
    clearInterval(this.timer)
    this.following.stop()
    for (const { latest } of this.readers) latest.end()
  }

  private hear(event: RecordedEvent): void {
    this.heard = max(this.heard, event.position)
    this.awaitedSince ??= this.deps.now()
    if (event.event.type === SystemType.MerchantSettingsChanged) this.settingsChanged = true
    this.active.note(event)
    this.newest.note(event)
  }

  private isDue(): boolean {
    const { state, deps } = this
    if (state === undefined || this.settingsChanged) return true
    const now = deps.now()
    const isAwaited = compare(this.wanted(), state.position) > 0
    if (isAwaited && this.hasMoved(state.position)) return true
    if (isAwaited && now - (this.awaitedSince ?? 0) < AWAITED_MS) return false
    if (this.active.hasUnknown) return true
    if (this.active.incomplete && now - this.scannedAt >= RESCAN_MS) return true
    if (Math.floor(now / MINUTE) !== Math.floor(state.at / MINUTE)) return true
    return this.active.count(now) !== state.activeClients
  }

  /** The position that the readers wait for: of the newest event, or one that a reader was sent away with. */
  private wanted(): Position {
    let wanted = this.heard
    for (const { served, after } of this.readers)
      if (!served && after !== undefined) wanted = max(wanted, after)
    return wanted
  }

  private hasMoved(since: Position): boolean {
    return this.deps.board.all().some((one) => one.projection === METRICS && compare(one.position, since) > 0)
  }

  private tick(): void {
    if (this.busy || this.readers.size === 0 || !this.isDue()) return
    this.busy = true
    const refresh = this.refresh().pipe(
      Effect.catchAllCause((cause) => this.complain(cause)),
      Effect.ensuring(
        Effect.sync(() => {
          this.busy = false
        }),
      ),
    )
    Runtime.runFork(this.runtime)(refresh)
  }

  /** Tried again at the next tick; said once in a while. */
  private complain(cause: Cause.Cause<QueryError>): Effect.Effect<void> {
    const now = this.deps.now()
    if (now - this.complainedAt < COMPLAIN_MS) return Effect.void
    this.complainedAt = now
    return Effect.logWarning("live: a state could not be made", cause)
  }

  private publish(state: LiveMetrics): void {
    const { activeClients, lastMinutes, today } = state
    const latest = state.latest.map(({ recorded, clientId }) => [recorded.position, clientId])
    const shown = JSON.stringify([activeClients, lastMinutes, today, latest])
    const changed = shown !== this.shown
    this.shown = shown
    if (compare(this.heard, state.position) <= 0) this.awaitedSince = undefined
    else if (compare(state.position, this.state?.position ?? start) > 0) this.awaitedSince = state.at
    this.state = state
    for (const reader of this.readers) if (changed || !reader.served) this.serve(reader, state)
  }

  private serve(reader: Reader, state: LiveMetrics): void {
    if (!reader.served && reader.after !== undefined && compare(state.position, reader.after) < 0) return
    reader.served = true
    reader.latest.offer(state)
  }

  private refresh(): Effect.Effect<void, QueryError> {
    const { deps } = this
    return Effect.gen(this, function* () {
      if (this.settingsChanged) yield* this.reloadSettings()
      const { id } = this.merchant
      const { timezone, currency } = this.merchant.settings
      const now = deps.now()
      const day = bucketStart(timezone, "DAY", now)
      const minute = Math.floor(now / MINUTE) * MINUTE
      const from = minute - (MINUTES - 1) * MINUTE
      const parts: ReadonlyArray<Part> = [
        { interval: "DAY", range: { from: day, to: nextBucket(timezone, "DAY", now) } },
        { interval: "MINUTE", range: { from, to: minute + MINUTE } },
      ]
      const reading = yield* deps.buckets.read({ id, timezone }, parts, allNeeds)
      const { position } = reading.asOf
      const [today = [], minutes = []] = reading.parts
      const events = new Map<number, number>()
      for (const { at, counts } of minutes) {
        events.set(at, (events.get(at) ?? 0) + (metricValue(counts, "EVENTS", currency) ?? 0))
      }
      yield* this.level(position)
      yield* this.lookUpClients()
      this.publish({
        merchantId: id,
        at: now,
        position,
        activeClients: this.active.count(deps.now()),
        lastMinutes: Array.from({ length: MINUTES }, (_, index) => {
          const at = from + index * MINUTE
          return { at, value: events.get(at) ?? 0, complete: at + MINUTE <= reading.caughtUpTo }
        }),
        today: valuesOf(sumOf(today), currency),
        latest: yield* nameClients(deps, yield* this.newest.at(position)),
      })
    })
  }

  /** Events are heard, and clients folded, up to the position that the numbers have; or a second has passed. */
  private level(position: Position): Effect.Effect<void, QueryError> {
    const { board, freshness, now } = this.deps
    return Effect.gen(this, function* () {
      yield* this.following.start
      const clients = yield* freshness.serving(CLIENTS, this.merchant.id)
      const since = now()
      yield* board.reached(clients.id, position, LEVEL_MS)
      while (!this.following.has(position) && now() - since < LEVEL_MS) yield* Effect.sleep("10 millis")
    })
  }

  private reloadSettings(): Effect.Effect<void, QueryError> {
    return Effect.gen(this, function* () {
      this.settingsChanged = false
      yield* this.deps.freshness.settle(["merchants"], this.heard, LEVEL_MS)
      const merchant = yield* this.deps.merchants.find(ofMerchant(this.merchant.id), this.merchant.id)
      if (merchant === undefined) return
      this.merchant = merchant
      const system = yield* this.deps.merchants.system
      const silence = longestIdleTime(merchant.settings, system, this.deps.idleAfterMs)
      if (silence === this.active.silenceMs) return
      this.active = new ActiveClients(silence)
      this.active.incomplete = true
      this.scannedAt = Number.NEGATIVE_INFINITY
    }).pipe(
      Effect.tapError(() =>
        Effect.sync(() => {
          this.settingsChanged = true
        }),
      ),
    )
  }

  private lookUpClients(): Effect.Effect<void, QueryError> {
    const { readModels, freshness, now } = this.deps
    return Effect.gen(this, function* () {
      const { active } = this
      if (active.incomplete && now() - this.scannedAt >= RESCAN_MS) yield* this.scanClients(active)
      const keys = active.takeUnknown()
      if (keys.length === 0) return
      const build = yield* freshness.serving(CLIENTS, this.merchant.id)
      const refs = keys.map((key) => clientRef(this.merchant.id, key))
      const docs = yield* readModels.load(build.id, refs)
      refs.forEach(({ key: rowKey }, index) => {
        const doc = docs[index]
        active.resolve(keys[index] as string, doc === undefined ? undefined : decodeClient(rowKey, doc))
      })
    })
  }

  /** All the merchant's clients once, a few thousand at a time so that others get their turn. */
  private scanClients(active: ActiveClients): Effect.Effect<void, QueryError> {
    const { readModels, freshness, board, now } = this.deps
    return Effect.gen(this, function* () {
      const build = yield* freshness.serving(CLIENTS, this.merchant.id)
      // What the listener has not heard has to be in the documents.
      const level = yield* board.reached(build.id, yield* this.following.start, LEVEL_MS)
      this.scannedAt = now()
      active.incomplete = !level
      let after: string | undefined
      for (;;) {
        const scan = clientsScan(this.merchant.id, after, SCAN_CHUNK)
        const answer = yield* readModels.query(build.id, partitionOf(this.merchant.id), [scan])
        const rows = answer.rows[0] ?? []
        const docs = rows.map((row) => decodeClient(row.key, row.doc))
        active.fill(docs, now())
        const last = rows.at(-1)
        if (last === undefined || rows.length < SCAN_CHUNK) return
        after = last.key.slice(this.merchant.id.length + 1)
        yield* Effect.sleep(0)
      }
    })
  }
}
