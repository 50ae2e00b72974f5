import type { Active, Idle, Presence } from "../domain/Idle.js"
import type { Whereabouts } from "../domain/IdleTimes.js"
import { streamNamespace, uuidv5Bytes } from "../domain/Ids.js"
import type { Partition } from "../domain/Partition.js"
import type { UsualRate } from "../domain/UsualRate.js"
import * as Client from "./Client.js"
import { nowhere } from "./clients/LiveClients.js"
import { Generations } from "./Generations.js"
import * as Merchant from "./Merchant.js"
import type { PresenceFact, StreamIndex } from "./StreamIndex.js"
import type { Draft, Turn } from "./Turn.js"

/**
 * Namespace of the ids of events that Tidemark writes itself. A sender's id has at least one character, so
 * none gives the empty name, and no sender can take the place of such an event.
 */
const systemNamespace = (namespace: Uint8Array): Buffer => uuidv5Bytes(namespace, "")

/** One stream in memory. Everything but the revision is about the turn in progress, and empty between turns. */
abstract class Actor {
  private ids: Buffer | undefined
  private systemIds: Buffer | undefined
  turn: Turn | undefined
  /** The latest draft for this stream. */
  draft: Draft | undefined
  /** The draft that the next event of this merchant (or, in the reserved space, client) may join. */
  last: Draft | undefined
  /** Events of this stream so far. */
  drafted = 0
  /** Expected revision of the next append. */
  next = 0
  /** What the turn in progress would make of its presence; undefined while it changes nothing. */
  becomes: Active | Idle | undefined
  /** Where it stands in the table of those that are live, once `becomes` is set. */
  place = -1
  /** Of the event that was last taken. */
  merchantId = ""
  /** What is known of it, once `becomes` is set. */
  whereabouts: Whereabouts = nowhere
  /** Of a merchant whose silence is learned, what the turn in progress would make of it, once `becomes` is set. */
  rate: UsualRate | undefined

  constructor(
    readonly stream: string,
    public revision: number,
    /** The latest fact about its presence. */
    public fact: PresenceFact | undefined,
  ) {}

  /** Unless it is live: whether it is idle, by its latest fact. */
  get lasting(): Presence {
    return this.fact?.silence === undefined ? undefined : { silence: this.fact.silence }
  }

  get namespace(): Buffer {
    this.ids ??= streamNamespace(this.stream)
    return this.ids
  }

  get systemNamespace(): Buffer {
    this.systemIds ??= systemNamespace(this.namespace)
    return this.systemIds
  }

  begin(turn: Turn): void {
    this.turn = turn
  }

  end(): void {
    this.turn = undefined
    this.draft = undefined
    this.last = undefined
    this.drafted = 0
    this.becomes = undefined
    this.whereabouts = nowhere
    this.rate = undefined
  }

  protected forgetIds(): void {
    this.ids = undefined
    this.systemIds = undefined
  }
}

export class MerchantActor extends Actor {
  /** What the turn in progress would make of the merchant. */
  nextState: Merchant.Merchant

  constructor(
    stream: string,
    revision: number,
    readonly id: string,
    public state: Merchant.Merchant,
    fact: PresenceFact | undefined,
  ) {
    super(stream, revision, fact)
    this.nextState = state
  }

  override begin(turn: Turn): void {
    super.begin(turn)
    this.nextState = this.state
  }
}

export class ClientActor extends Actor {
  /** The profile is on its way, in the turn in progress. */
  meeting = false

  constructor(
    stream: string,
    revision: number,
    readonly id: string,
    public state: Client.Client,
    fact: PresenceFact | undefined,
  ) {
    super(stream, revision, fact)
  }

  override end(): void {
    super.end()
    this.meeting = false
    // Two small buffers are most of what a quiet client takes; making them again costs 4 µs.
    this.forgetIds()
  }
}

export type LiveActor = MerchantActor | ClientActor

/** The merchants and clients of one partition that are in memory; the others come back from the index. */
export class LiveActors {
  private readonly merchants = new Generations<MerchantActor>()
  private readonly clients = new Generations<ClientActor>()

  constructor(
    private readonly partition: Partition,
    private readonly index: StreamIndex,
  ) {}

  get size(): number {
    return this.merchants.size + this.clients.size
  }

  merchant(id: string): MerchantActor {
    const live = this.merchants.get(id)
    if (live !== undefined) return live
    const stream = Merchant.streamName(this.partition, id)
    const entry = this.index.find(stream)
    const actor = new MerchantActor(
      stream,
      entry?.revision ?? -1,
      id,
      entry?.merchant ?? Merchant.initial,
      entry?.presence,
    )
    this.merchants.set(id, actor)
    return actor
  }

  client(key: string): ClientActor {
    const live = this.clients.get(key)
    if (live !== undefined) return live
    const stream = Client.streamName(this.partition, key)
    const entry = this.index.find(stream)
    const actor = new ClientActor(
      stream,
      entry?.revision ?? -1,
      key,
      entry === undefined ? Client.initial : Client.known,
      entry?.presence,
    )
    this.clients.set(key, actor)
    return actor
  }

  forget(actor: LiveActor): void {
    if (actor instanceof MerchantActor) this.merchants.delete(actor.id)
    else this.clients.delete(actor.id)
  }

  /** Passivates what was not used since the last but one call. */
  rotate(): void {
    this.merchants.rotate()
    this.clients.rotate()
  }

  /** Passivates all: the next use reads the index again. */
  clear(): void {
    this.merchants.clear()
    this.clients.clear()
  }
}
