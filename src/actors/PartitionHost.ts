import type { NewEvent } from "../domain/Event.js"
import { type Partition, SYSTEM } from "../domain/Partition.js"
import { max, type Position } from "../domain/Position.js"
import type { Append, AppendOutcome, LogUnavailable } from "../eventlog/EventLog.js"
import type { KeyStoreUnavailable } from "../keystore/KeyStore.js"
import * as Client from "./Client.js"
import type { Counters } from "./Counters.js"
import { atOnce, type Pace } from "./clients/Overdue.js"
import type { PartitionClients } from "./clients/PartitionClients.js"
import type { PartitionMerchants } from "./clients/PartitionMerchants.js"
import { presenceAfter } from "./IndexRecovery.js"
import { type LiveActor, LiveActors, MerchantActor } from "./LiveActors.js"
import * as Merchant from "./Merchant.js"
import { MerchantPart, type Part } from "./Parts.js"
import type { Origin } from "./Recorder.js"
import type { StreamIndex, Ticket } from "./StreamIndex.js"
import { type Draft, Turn } from "./Turn.js"

/** What the hosts of one process share. Callbacks are called once, with a result or with an error. */
export interface HostServices {
  readonly index: StreamIndex
  readonly append: (
    appends: ReadonlyArray<Append>,
    done: (outcomes: ReadonlyArray<AppendOutcome> | undefined, error: LogUnavailable | undefined) => void,
  ) => void
  readonly ensureKeys: (
    clientKeys: ReadonlyArray<string>,
    done: (
      keys: ReadonlyArray<Buffer | undefined> | undefined,
      error: KeyStoreUnavailable | undefined,
    ) => void,
  ) => void
  readonly catchUpStream: (stream: string, done: (error: string | undefined) => void) => void
  /** Reads what others have stored in the partition, for who is present in it. */
  readonly catchUpClients: (partition: Partition, done: (error: string | undefined) => void) => void
  /** Facts about clients were stored. */
  readonly report: (facts: ReadonlyArray<NewEvent>) => void
  /** Calls back later in this tick of the event loop. */
  readonly soon: (run: () => void) => void
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly counters: Counters
  /** Of clients' silences. */
  readonly overdue: Pace
  /** Events a turn takes at most: more would keep the thread from everything else. */
  readonly turnLimit: number
  /** Silence after which clients are idle where nobody says anything else, ms. */
  readonly idleAfterMs: number
}

const OWN: Origin = { source: "tidemark", key: "", mayCreateMerchants: false }

const MOVING = "the partition is moving to another owner, or the program stops; send again"
const ATTEMPTS = 5
const FIRST_BACKOFF_MS = 50
const LONGEST_BACKOFF_MS = 2_000
/** Silences reported in one turn at most: more would keep events waiting. */
const DUE_LIMIT = 500
/** Pause after the log refused a turn that had nothing but facts. */
const REFUSED_PAUSE_MS = 1_000

/**
 * The owner of one partition's streams: takes everything that waits, decides, appends, evolves, answers,
 * and begins again. One append is in flight at a time, so every decision rests on what is stored.
 */
export class PartitionHost {
  private queue: Array<Part> = []
  private working = false
  private scheduled = false
  private closing = false
  private ended = false
  private turn: Turn | undefined
  /** Events to be decided one at a time, because the log refused a turn that holds one it can't store. */
  private careful = 0
  private closed: (() => void) | undefined
  /** Why the outcome of the append in flight is not known, while that is so. */
  private unknown: string | undefined
  private ticket: Ticket | undefined
  private retry: NodeJS.Timeout | undefined
  private position: Position
  private clock: number
  private quietUntil = 0
  /** How often a client's presence was changed. */
  presences = 0
  /** While an append is in flight: everything of the partition up to here is in `clients`. */
  private before: Position | undefined
  readonly actors: LiveActors

  constructor(
    readonly partition: Partition,
    private readonly services: HostServices,
    readonly clients: PartitionClients,
    readonly merchants: PartitionMerchants,
  ) {
    this.actors = new LiveActors(partition, services.index)
    this.position = services.index.latest()
    this.clock = services.index.clock(partition)
    services.index.hold(partition)
  }

  get waiting(): number {
    return this.queue.length
  }

  /** Sees whether a deadline has passed: called by the one timer of the process. */
  tick(now: number): void {
    if (!this.working && !this.scheduled && this.hasFacts(now)) this.schedule()
  }

  /** Everything of the partition up to here is in `clients`. */
  get clientsUpTo(): Position {
    return this.before ?? this.services.index.latest()
  }

  submit(part: Part): void {
    if (this.closing) {
      this.refuse(part, MOVING)
      return
    }
    if (this.unknown !== undefined) {
      this.refuse(part, this.unknown)
      return
    }
    this.queue.push(part)
    this.schedule()
  }

  /** Finishes what waits, for at most so long; what is left is answered `Unavailable`. */
  close(deadlineMs: number): Promise<void> {
    this.closing = true
    return new Promise((resolve) => {
      const deadline = setTimeout(() => this.closed?.(), deadlineMs)
      this.closed = () => {
        clearTimeout(deadline)
        clearTimeout(this.retry)
        this.closed = undefined
        this.ended = true
        for (const part of this.turn?.parts ?? []) this.refuse(part, MOVING)
        this.refuseAll(MOVING)
        for (const one of this.watched) one.upTo = this.clientsUpTo
        this.services.index.release(this.partition)
        if (this.ticket !== undefined) this.services.index.end(this.ticket)
        resolve()
      }
      this.rest()
    })
  }

  private get watched(): ReadonlyArray<PartitionClients> {
    return [this.clients, this.merchants]
  }

  private hasFacts(now: number): boolean {
    if (this.closing || now < this.quietUntil) return false
    const clock = Math.max(this.clock, now)
    const isDue = (one: PartitionClients) => one.isLacking || one.live.hasDue(clock, this.paceOf(one))
    return this.hasOtherStandard || this.watched.some(isDue)
  }

  /** By the log, clients are judged by another idle time than this program was started with. */
  private get hasOtherStandard(): boolean {
    const { standardMs, isStandardInLog, live } = this.clients
    const isOther = standardMs !== this.services.idleAfterMs || !isStandardInLog
    return isOther && (this.queue.length > 0 || live.size > 0 || !isStandardInLog)
  }

  /** From then on they are judged by this program's. */
  private standardPart(): Part {
    const { standardMs, isStandardInLog } = this.clients
    const { idleAfterMs, now } = this.services
    const change = {
      standardIdleAfterMs: idleAfterMs,
      ...(isStandardInLog ? {} : { standardIdleAfterMsBefore: standardMs }),
    }
    return new MerchantPart({ _tag: "Update", merchantId: SYSTEM, change }, OWN, ({ _tag }) => {
      if (_tag === "Saved") this.clients.setStandardIn(change)
      else this.quietUntil = now() + REFUSED_PAUSE_MS
    })
  }

  private schedule(): void {
    if (this.working || this.scheduled) return
    this.scheduled = true
    this.services.soon(this.run)
  }

  private readonly run = (): void => {
    this.scheduled = false
    if (this.working || (this.queue.length === 0 && !this.hasFacts(this.services.now()))) {
      this.rest()
      return
    }
    this.working = true
    const { index } = this.services
    if (index.hasRoom()) this.begin()
    else index.whenRoom(() => (this.ended ? undefined : this.begin()))
  }

  private begin(): void {
    this.clock = Math.max(this.clock, this.services.now())
    const turn = new Turn(this.actors, this.services.index, this.clients, this.merchants, this.clock)
    this.turn = turn
    const limit = this.careful > 0 ? 1 : this.services.turnLimit
    let taken = 0
    const lacking = this.watched.flatMap((one) => one.lackingFacts(DUE_LIMIT))
    for (const fact of lacking) turn.supply(fact)
    const isStandard = lacking.length === 0 && this.hasOtherStandard
    if (isStandard) turn.take(this.standardPart(), 1)
    else if (lacking.length === 0 && this.hasFacts(this.clock)) {
      for (const one of this.watched) {
        for (const due of one.live.due(this.clock, DUE_LIMIT, this.paceOf(one))) turn.expire(one, due)
      }
    }
    // What comes after facts that the log lacks waits until it has them: they are older.
    for (const part of lacking.length > 0 || isStandard ? [] : this.queue) {
      const isAlone = part._tag === "Merchant" && part.isAlone
      if (turn.events >= limit || (isAlone && turn.events > 0)) break
      turn.take(part, limit - turn.events)
      if (!part.taken) break
      taken++
      if (isAlone) break
    }
    this.queue = taken === this.queue.length ? [] : this.queue.slice(taken)
    this.services.counters.turns++
    this.careful = Math.max(0, this.careful - turn.events)
    const strangers = turn.strangers
    if (strangers.length === 0) {
      this.append(turn)
      return
    }
    this.services.ensureKeys(strangers, (keys, error) => {
      if (this.ended) return
      if (keys === undefined) {
        this.abandon(turn, `the key store is unavailable: ${error?.reason ?? "no reason given"}`)
        return
      }
      turn.meet(keys)
      this.append(turn)
    })
  }

  /** There are few merchants, and people are told of them. */
  private paceOf(one: PartitionClients): Pace {
    return one === this.merchants ? atOnce : this.services.overdue
  }

  private append(turn: Turn): void {
    const drafts = turn.drafts()
    if (drafts.length === 0) {
      this.presences += turn.settlePresence()
      this.confirm(turn)
      this.complete(turn)
      return
    }
    this.ticket = this.services.index.begin()
    this.before = this.services.index.latest()
    this.send(turn, drafts, Turn.appends(drafts), FIRST_BACKOFF_MS)
  }

  /** Repeated unchanged until the outcome is known: only then may anything else be decided. */
  private send(
    turn: Turn,
    drafts: ReadonlyArray<Draft>,
    appends: ReadonlyArray<Append>,
    backoff: number,
  ): void {
    this.services.append(appends, (outcomes, error) => {
      if (this.ended) return
      if (outcomes !== undefined) {
        this.unknown = undefined
        this.evolve(turn, drafts, outcomes)
        return
      }
      if (error?.refused === true) {
        this.refusedBy(turn, error.reason)
        return
      }
      const reason = `the event log is unavailable: ${error?.reason ?? "no reason given"}`
      this.unknown = reason
      this.services.counters.unknownOutcomes++
      for (const part of turn.parts) this.refuse(part, reason)
      this.refuseAll(reason)
      this.retry = setTimeout(
        () => this.send(turn, drafts, appends, Math.min(backoff * 2, LONGEST_BACKOFF_MS)),
        backoff,
      )
    })
  }

  /**
   * The log can't store something in this turn, and stored nothing. One event alone is turned down for
   * good; of several, each gets a turn of its own, so that the others are not lost with it.
   */
  private refusedBy(turn: Turn, reason: string): void {
    if (this.ticket !== undefined) this.services.index.end(this.ticket)
    this.ticket = undefined
    this.before = undefined
    this.unknown = undefined
    if (turn.events === 0) this.quietUntil = this.services.now() + REFUSED_PAUSE_MS
    for (const actor of turn.touched) this.actors.forget(actor)
    if (turn.events > 1) this.careful = turn.events
    else
      turn.turnDown({
        _tag: "Refused",
        code: "NOT_STORABLE",
        message: `The event can't be stored: ${reason}`,
      })
    this.complete(turn)
  }

  private evolve(turn: Turn, drafts: ReadonlyArray<Draft>, outcomes: ReadonlyArray<AppendOutcome>): void {
    const { index } = this.services
    const lost = new Set<LiveActor>()
    drafts.forEach((draft, at) => {
      const outcome = outcomes[at]
      if (outcome === undefined || outcome._tag !== "Appended") {
        lost.add(draft.actor)
        return
      }
      this.position = max(this.position, outcome.position)
      this.stored(draft, outcome.revision, outcome.position, turn.recordedAt)
    })
    if (this.ticket !== undefined) index.end(this.ticket)
    this.ticket = undefined
    if (lost.size === 0) {
      this.presences += turn.settlePresence()
      this.confirm(turn)
      this.settings(drafts, turn.recordedAt)
      this.before = undefined
      this.complete(turn)
      return
    }
    this.services.counters.conflicts += lost.size
    this.refresh(turn, [...lost])
  }

  private stored(draft: Draft, revision: number, position: Position, recordedAt: number): void {
    const { actor, events } = draft
    if (actor instanceof MerchantActor) {
      if (draft.merchantChanged) {
        actor.state = events.reduce((state, { event }) => Merchant.evolve(state, event), actor.state)
      }
    } else actor.state = Client.known
    for (const { event } of events) actor.fact = presenceAfter(actor.fact, event, position)
    actor.revision = revision
    this.services.index.record({
      stream: actor.stream,
      partition: this.partition,
      revision,
      position,
      recordedAt,
      eventIds: events.map((event) => event.eventId),
      ...(actor instanceof MerchantActor
        ? { merchant: actor.state, merchantChanged: draft.merchantChanged }
        : {}),
      ...(actor.fact === undefined ? {} : { presence: actor.fact }),
    })
    this.services.counters.appended += events.length
    for (let at = 0; at < draft.parts.length; at++) {
      const part = draft.parts[at]
      const as = draft.as[at]
      if (part === undefined || as === undefined) continue
      if (part._tag === "Record") part.settle(draft.indexes[at] ?? 0, as)
      else part.settle()
    }
  }

  /** The turn is in the log: so are the facts that it was to supply, and those it reports. */
  private confirm(turn: Turn): void {
    const facts = turn.facts
    if (facts.length === 0) return
    for (const { event } of facts) {
      const { clientKey, merchantId, id } = event.data
      if (clientKey === undefined) this.merchants.confirm(merchantId, id)
      else this.clients.confirm(clientKey, id)
    }
    this.services.report(facts)
  }

  /** Deadlines follow changed idle times at once. */
  private settings(drafts: ReadonlyArray<Draft>, recordedAt: number): void {
    for (const { actor, merchantChanged, events } of drafts) {
      if (!merchantChanged || !(actor instanceof MerchantActor)) continue
      for (const { event } of events) {
        for (const one of this.watched) {
          const times = one.watched.timesIn(event.data.settings)
          if (times !== undefined) one.set(actor.id, times, recordedAt, () => actor.lasting !== undefined)
          one.setStandardIn(event.data.settings)
        }
      }
    }
  }

  /** Someone else wrote to these streams: learn what, then decide again what was not stored. */
  private refresh(turn: Turn, lost: ReadonlyArray<LiveActor>): void {
    let open = lost.length
    let failure: string | undefined
    for (const actor of lost) {
      this.services.catchUpStream(actor.stream, (error) => {
        failure ??= error
        if (--open > 0 || this.ended) return
        for (const one of this.watched) one.upTo = this.clientsUpTo
        this.services.catchUpClients(this.partition, (error) => {
          if (this.ended) return
          this.before = undefined
          this.refreshed(turn, failure ?? error)
        })
      })
    }
  }

  private refreshed(turn: Turn, failure: string | undefined): void {
    for (const actor of turn.touched) this.actors.forget(actor)
    this.clock = Math.max(this.clock, this.services.index.clock(this.partition))
    this.position = max(this.position, this.services.index.latest())
    if (failure === undefined) this.complete(turn)
    else this.abandon(turn, failure)
  }

  private complete(turn: Turn): void {
    for (const actor of turn.touched) actor.end()
    const again: Array<Part> = []
    let gaveUp = false
    for (const part of turn.parts) {
      if (part.answered) continue
      if (part.settled) {
        part.finish(this.position)
        continue
      }
      // Fully taken and yet not settled: what it waited for was not stored.
      const waits = part._tag === "Merchant" || part.results.indexOf(undefined) < part.next
      if (!waits) continue
      if (this.careful === 0 && ++part.attempts > ATTEMPTS) {
        this.refuse(part, "another owner keeps writing to the same streams; send again")
        gaveUp = true
        continue
      }
      const queued = !part.taken
      part.rewind()
      if (!queued) again.push(part)
    }
    if (again.length > 0) this.queue = [...again, ...this.queue]
    if (gaveUp) this.queue = this.queue.filter((part) => !part.answered)
    this.next()
  }

  /** Nothing of the turn was stored. */
  private abandon(turn: Turn, reason: string): void {
    for (const actor of turn.touched) actor.end()
    for (const part of turn.parts) this.refuse(part, reason)
    this.queue = this.queue.filter((part) => !part.answered)
    this.next()
  }

  private next(): void {
    this.turn = undefined
    this.working = false
    if (this.queue.length > 0 || this.hasFacts(this.services.now())) this.schedule()
    else this.rest()
  }

  private rest(): void {
    if (this.closing && !this.working && !this.scheduled && this.queue.length === 0) this.closed?.()
  }

  private refuse(part: Part, reason: string): void {
    part.answer({ _tag: "Unavailable", reason, retryAfterSeconds: 1 })
  }

  private refuseAll(reason: string): void {
    const left = this.queue
    this.queue = []
    for (const part of left) this.refuse(part, reason)
  }
}
