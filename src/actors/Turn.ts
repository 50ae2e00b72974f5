import { isSystemType, type Metadata, type NewEvent, type StoredEvent } from "../domain/Event.js"
import { activityTime, isIdle, silenceAt, touch } from "../domain/Idle.js"
import type { IdleSettings } from "../domain/IdleTimes.js"
import { eventId } from "../domain/Ids.js"
import { SYSTEM } from "../domain/Partition.js"
import { hear } from "../domain/UsualRate.js"
import type { Append } from "../eventlog/EventLog.js"
import { seal } from "../keystore/Sealed.js"
import * as Client from "./Client.js"
import { becameIdle, ofClients, ownMetadata, returned } from "./clients/Facts.js"
import type { Due } from "./clients/LiveClients.js"
import type { PartitionClients } from "./clients/PartitionClients.js"
import type { PartitionMerchants } from "./clients/PartitionMerchants.js"
import { whereaboutsAfter, whereaboutsIn, writtenOf } from "./clients/whereabouts.js"
import { ClientActor, type LiveActor, type LiveActors, type MerchantActor } from "./LiveActors.js"
import * as Merchant from "./Merchant.js"
import { ACCEPTED, DUPLICATE, type MerchantPart, type Part, type RecordPart } from "./Parts.js"
import type { Incoming, Origin, RecordedAs } from "./Recorder.js"
import type { StreamIndex } from "./StreamIndex.js"

/** One append in the making, and whom its outcome concerns: three arrays side by side, one entry for each. */
export interface Draft {
  readonly actor: LiveActor
  readonly events: Array<NewEvent>
  readonly parts: Array<Part>
  readonly indexes: Array<number>
  readonly as: Array<RecordedAs>
  merchantChanged: boolean
}

interface Meeting {
  readonly client: ClientActor
  readonly incoming: Incoming
  readonly metadata: Metadata
}

const unknownMerchant = (merchantId: string): RecordedAs => ({
  _tag: "Refused",
  code: "MERCHANT_UNKNOWN",
  path: "merchantId",
  message: `There is no merchant "${merchantId}". An administrator creates it, or sends its first event.`,
})

const noClient: RecordedAs = {
  _tag: "Refused",
  code: "CLIENT_MISSING",
  path: "clientId",
  message: "A request needs the client that made it.",
}

const messageOf = (as: RecordedAs): string => (as._tag === "Refused" ? as.message : as._tag)

const draftOf = (actor: LiveActor): Draft => ({
  actor,
  events: [],
  parts: [],
  indexes: [],
  as: [],
  merchantChanged: false,
})

/**
 * Everything that a partition decides in one go, and appends in one call. New merchants come first, then
 * profiles of new clients, then the events: those of one merchant in the order they came, across its
 * own stream and those of its clients, so that one stream can have several appends.
 */
export class Turn {
  readonly parts: Array<Part> = []
  readonly touched: Array<LiveActor> = []
  events = 0
  private readonly created: Array<Draft> = []
  private readonly meetings: Array<Meeting> = []
  private readonly met: Array<Draft> = []
  private readonly runs: Array<Draft> = []
  private readonly ids = new Map<string, Draft>()
  private origin: Origin | undefined
  private metadata: Metadata | undefined
  private readonly ownMetadata: Metadata
  /** About clients, stored with this turn (or, already in the log, not stored again). */
  readonly facts: Array<NewEvent> = []

  constructor(
    private readonly actors: LiveActors,
    private readonly index: StreamIndex,
    private readonly clients: PartitionClients,
    private readonly merchants: PartitionMerchants,
    readonly recordedAt: number,
  ) {
    this.ownMetadata = ownMetadata(recordedAt)
  }

  /** A client, or merchant, whose silence is to be reported: before anything that was sent. */
  expire(own: PartitionClients, { clientKey, merchantId, active, afterMs, address, country }: Due): void {
    const { watched, live } = own
    const silence = silenceAt(active, this.recordedAt, afterMs)
    if (silence === undefined) return
    const client = watched === ofClients ? this.actors.client(clientKey) : this.actors.merchant(merchantId)
    this.touch(client)
    client.merchantId = merchantId
    client.whereabouts = { address, country }
    client.place = live.find(clientKey)
    client.rate = own.rateOf(clientKey)
    client.becomes = { silence: { ...silence, ...writtenOf(client.whereabouts) } }
    this.fact(client, client, becameIdle(watched, merchantId, clientKey, silence, client.whereabouts))
  }

  /** A fact that follows from what the log has, and is missing in it. */
  supply(fact: StoredEvent): void {
    const { clientKey, merchantId } = fact.data
    const client = clientKey === undefined ? this.actors.merchant(merchantId) : this.actors.client(clientKey)
    this.touch(client)
    this.fact(client, client, fact)
  }

  /** The turn is stored: what it made of clients' presence is what they are. Gives how many have changed. */
  settlePresence(): number {
    let changed = 0
    for (const client of this.touched) {
      if (client.becomes === undefined) continue
      const own = client instanceof ClientActor ? this.clients : this.merchants
      changed++
      own.settle(client, client.becomes)
    }
    return changed
  }

  /** Takes up to `limit` events of the part; the rest is for the next turn. */
  take(part: Part, limit: number): void {
    this.parts.push(part)
    if (part._tag === "Merchant") {
      part.next = 1
      this.events++
      this.command(part)
      return
    }
    const end = Math.min(part.events.length, part.next + limit)
    for (let index = part.next; index < end; index++) {
      const incoming = part.events[index]
      if (incoming === undefined || part.results[index] !== undefined) continue
      this.events++
      if (incoming.type === "request") this.request(part, index, incoming)
      else this.business(part, index, incoming)
    }
    part.next = end
  }

  /** Client keys whose secret keys are needed before the turn can go on. */
  get strangers(): ReadonlyArray<string> {
    return this.meetings.map((meeting) => meeting.incoming.data.clientKey ?? "")
  }

  /** @param keys one for each of `strangers`; undefined for a client that was forgotten. */
  meet(keys: ReadonlyArray<Buffer | undefined>): void {
    this.meetings.forEach(({ client, incoming, metadata }, index) => {
      const key = keys[index]
      const personal = key === undefined ? undefined : seal(key, incoming.profile)
      const events = Client.decide(
        client.state,
        { _tag: "Meet", incoming, personal },
        { now: this.recordedAt },
      )
      if (events.length === 0) {
        client.state = Client.known
        return
      }
      const draft = draftOf(client)
      for (const event of events) this.push(draft, event, metadata)
      this.met.push(draft)
    })
  }

  /** In the order in which the log has to take them. */
  drafts(): ReadonlyArray<Draft> {
    return this.created.length + this.met.length === 0
      ? this.runs
      : [...this.created, ...this.met, ...this.runs]
  }

  static appends(drafts: ReadonlyArray<Draft>): ReadonlyArray<Append> {
    for (const { actor } of drafts) actor.next = actor.revision
    return drafts.map(({ actor, events }) => {
      const expectedRevision = actor.next
      actor.next += events.length
      return { stream: actor.stream, expectedRevision, events }
    })
  }

  /** Settles what still waits for this turn. */
  turnDown(as: RecordedAs): void {
    for (const { parts, indexes } of this.drafts()) {
      parts.forEach((part, at) => {
        if (part._tag === "Record") part.settle(indexes[at] ?? 0, as)
        else part.answer({ _tag: "Unavailable", reason: messageOf(as), retryAfterSeconds: 1 })
      })
    }
  }

  private business(part: RecordPart, index: number, incoming: Incoming): void {
    const { merchantId, clientKey } = incoming.data
    if (merchantId === SYSTEM) {
      part.settle(index, unknownMerchant(merchantId))
      return
    }
    const actor = this.actors.merchant(merchantId)
    const id = eventId(actor.namespace, incoming.data.id)
    if (this.counted(part, index, actor, id)) return
    const decision = Merchant.decide(
      actor.nextState,
      { _tag: "Record", incoming, mayCreate: part.origin.mayCreateMerchants },
      { now: this.recordedAt, revision: actor.revision + actor.drafted + 1 },
    )
    if (decision._tag !== "Append") {
      part.settle(index, unknownMerchant(merchantId))
      return
    }
    const metadata = this.metadataOf(part.origin)
    for (const event of decision.events) {
      if (isSystemType(event.type)) this.create(actor, event, metadata)
      else {
        const resumes = this.presentMerchant(actor, incoming)
        if (clientKey === undefined) {
          this.add(actor, actor, { eventId: id, event, metadata }, part, index)
        } else {
          this.notice(clientKey, incoming, metadata)
          const client = this.actors.client(clientKey)
          const ends = this.present(this.clients, client, actor, incoming, actor.nextState.settings)
          this.add(actor, actor, { eventId: id, event, metadata }, part, index)
          if (ends !== undefined) this.fact(client, actor, ends)
        }
        if (resumes !== undefined) this.fact(actor, actor, resumes)
      }
    }
  }

  private request(part: RecordPart, index: number, incoming: Incoming): void {
    const { merchantId, clientKey } = incoming.data
    if (clientKey === undefined) {
      part.settle(index, noClient)
      return
    }
    const client = this.actors.client(clientKey)
    const id = eventId(client.namespace, incoming.data.id)
    if (this.counted(part, index, client, id)) return
    const metadata = this.metadataOf(part.origin)
    let order: LiveActor = client
    if (merchantId !== SYSTEM) {
      const merchant = this.actors.merchant(merchantId)
      // It keeps the order of this turn's events, and has to forget it when the turn ends.
      this.touch(merchant)
      const decision = Merchant.decide(
        merchant.nextState,
        { _tag: "Visit", merchantId, mayCreate: part.origin.mayCreateMerchants },
        { now: this.recordedAt, revision: merchant.revision + merchant.drafted + 1 },
      )
      if (decision._tag !== "Append") {
        part.settle(index, unknownMerchant(merchantId))
        return
      }
      for (const event of decision.events) this.create(merchant, event, metadata)
      order = merchant
    }
    this.notice(clientKey, incoming, metadata)
    const settings = merchantId === SYSTEM ? undefined : (order as MerchantActor).nextState.settings
    const resumes = order === client ? undefined : this.presentMerchant(order as MerchantActor, incoming)
    const ends = this.present(this.clients, client, order, incoming, settings)
    for (const event of Client.decide(client.state, { _tag: "Record", incoming }, { now: this.recordedAt })) {
      this.add(client, order, { eventId: id, event, metadata }, part, index)
    }
    if (ends !== undefined) this.fact(client, order, ends)
    if (resumes !== undefined) this.fact(order, order, resumes)
  }

  /** The same for a merchant whose silence is watched. */
  private presentMerchant(actor: MerchantActor, incoming: Incoming): StoredEvent | undefined {
    return this.merchants.isWatched(actor.id)
      ? this.present(this.merchants, actor, actor, incoming, undefined)
      : undefined
  }

  /**
   * The client's event is taken: before it, its silence may have to be reported; gives what is to be stored behind
   * it, the return. Nothing counts before the turn is stored (`settlePresence`).
   * @param settings what the merchant says about idle times.
   */
  private present(
    own: PartitionClients,
    client: LiveActor,
    order: LiveActor,
    { at, data }: Incoming,
    settings: IdleSettings | undefined,
  ): StoredEvent | undefined {
    const { live, watched } = own
    const { merchantId } = data
    if (client.becomes === undefined) client.place = live.find(client.id)
    const before = client.becomes ?? live.at(client.place) ?? client.lasting
    if (client.becomes === undefined) {
      client.rate = own.rateOf(client.id)
      client.whereabouts = isIdle(before) ? whereaboutsIn(before.silence) : live.whereaboutsAt(client.place)
    }
    const { recordedAt } = this
    const known = client.whereabouts
    const afterMs =
      own === this.merchants
        ? this.merchants.silentAfterBy(client.id, client.rate)
        : own.idleAfterBy(settings, known)
    const active = activityTime(at, recordedAt)
    const touched = touch(before, active, recordedAt, afterMs)
    if (touched.next === before) return undefined
    if (client.rate !== undefined) client.rate = hear(client.rate, before, touched, active, recordedAt)
    this.touch(client)
    client.becomes = touched.next
    client.merchantId = merchantId
    if (touched.silence !== undefined) {
      if (isIdle(touched.next)) client.becomes = { silence: { ...touched.silence, ...writtenOf(known) } }
      this.fact(client, order, becameIdle(watched, merchantId, client.id, touched.silence, known))
    }
    // An event that changes nothing does not move the client either.
    if (watched.hasWhereabouts && !isIdle(touched.next)) client.whereabouts = whereaboutsAfter(known, data)
    return touched.return === undefined
      ? undefined
      : returned(watched, merchantId, client.id, touched.return, client.whereabouts)
  }

  /** Unless the log has it: a fact is stored once, whatever a crash or a lost file made of the state. */
  private fact(client: LiveActor, order: LiveActor, fact: StoredEvent): void {
    const id = eventId(client.systemNamespace, fact.data.id)
    this.facts.push({ eventId: id, event: fact, metadata: this.ownMetadata })
    if (client.revision >= 0 && this.index.has(id)) return
    this.push(this.runOf(client, order), fact, this.ownMetadata)
  }

  private command(part: MerchantPart): void {
    const actor = this.actors.merchant(part.command.merchantId)
    this.touch(actor)
    const revision = actor.revision + actor.drafted + 1
    const decision = Merchant.decide(actor.nextState, part.command, { now: this.recordedAt, revision })
    if (decision._tag === "Append") {
      const metadata = this.metadataOf(part.origin)
      for (const event of decision.events) this.own(this.runOf(actor, actor), actor, event, metadata)
    }
    const settings = actor.nextState.settings
    part.decided =
      decision._tag !== "Append" || settings === undefined
        ? () => ({ _tag: decision._tag === "Exists" ? "Exists" : "Missing" })
        : (position) => ({ _tag: "Saved", settings, position })
    // The decision rests on what this turn does to the merchant: it counts once that is stored.
    if (actor.draft === undefined) part.settle()
    else this.wait(actor.draft, part, 0, ACCEPTED)
  }

  /** True when an event with this id is stored or on its way: the part learns it as a duplicate. */
  private counted(part: RecordPart, index: number, actor: LiveActor, id: string): boolean {
    this.touch(actor)
    const pending = this.ids.get(id)
    if (pending !== undefined) {
      this.wait(pending, part, index, DUPLICATE)
      return true
    }
    if (actor.revision < 0 || !this.index.has(id)) return false
    part.settle(index, DUPLICATE)
    return true
  }

  private create(actor: MerchantActor, event: StoredEvent, metadata: Metadata): void {
    this.touch(actor)
    const draft = draftOf(actor)
    this.created.push(draft)
    this.own(draft, actor, event, metadata)
  }

  /** An event of the merchant's that Tidemark writes itself, and that changes the merchant. */
  private own(draft: Draft, actor: MerchantActor, event: StoredEvent, metadata: Metadata): void {
    this.push(draft, event, metadata)
    draft.merchantChanged = true
    actor.nextState = Merchant.evolve(actor.nextState, event)
  }

  /** A client that was never seen gets its profile, in front of the event that names it. */
  private notice(clientKey: string, incoming: Incoming, metadata: Metadata): void {
    if (incoming.profile === undefined) return
    const client = this.actors.client(clientKey)
    if (client.state.seen) return
    this.touch(client)
    if (client.meeting) return
    client.meeting = true
    this.meetings.push({ client, incoming, metadata })
  }

  private add(target: LiveActor, order: LiveActor, event: NewEvent, part: RecordPart, index: number): void {
    const draft = this.runOf(target, order)
    draft.events.push(event)
    target.drafted++
    this.ids.set(event.eventId, draft)
    this.wait(draft, part, index, ACCEPTED)
  }

  private push(draft: Draft, event: StoredEvent, metadata: Metadata): void {
    draft.events.push({ eventId: eventId(draft.actor.systemNamespace, event.data.id), event, metadata })
    draft.actor.drafted++
    draft.actor.draft = draft
  }

  private runOf(target: LiveActor, order: LiveActor): Draft {
    if (order.last?.actor === target) return order.last
    const draft = draftOf(target)
    order.last = draft
    target.draft = draft
    this.runs.push(draft)
    return draft
  }

  private wait(draft: Draft, part: Part, index: number, as: RecordedAs): void {
    draft.parts.push(part)
    draft.indexes.push(index)
    draft.as.push(as)
  }

  private touch(actor: LiveActor): void {
    if (actor.turn === this) return
    actor.begin(this)
    this.touched.push(actor)
  }

  /** One object for all events of one origin in a row: they came together. */
  private metadataOf(origin: Origin): Metadata {
    if (this.origin !== origin || this.metadata === undefined) {
      this.origin = origin
      this.metadata = {
        recordedAt: this.recordedAt,
        source: origin.source,
        key: origin.key,
        ...(origin.traceparent === undefined ? {} : { traceparent: origin.traceparent }),
      }
    }
    return this.metadata
  }
}
