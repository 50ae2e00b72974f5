import { Effect } from "effect"
import type { RecordedEvent } from "../domain/Event.js"
import { PARTITIONS, type Partition } from "../domain/Partition.js"
import { compare, type Position, start } from "../domain/Position.js"
import { afterKey, key } from "../readmodels/Key.js"
import type { Put, ReadModelsService, ReadModelsUnavailable, Row } from "../readmodels/ReadModels.js"
import { partitionOfStream } from "./BuildFold.js"
import { type Docs, definitionOf, type Projection } from "./Projection.js"

/**
 * Acts on the world, and never on history. What is to be done is decided by a fold as pure as a projection's, so
 * that its state can be rebuilt; it waits in the build's documents, written with the checkpoint, and is done by the
 * build that serves. A gate holds everything at or below the mark up to which the build before has acted.
 */
export interface Reactor<A, E = never> {
  readonly name: string
  /** Raise it whenever the same events would give other documents or actions. */
  readonly version: number
  /** Of its own state. */
  readonly collections: ReadonlyArray<string>
  /** As a projection's `apply`; says what is to be done because of this event. Actions are JSON. */
  readonly decide: (event: RecordedEvent, docs: Docs) => ReadonlyArray<A>
  /**
   * Does it. A crash before it was noted as done makes it come again with the same id: hand the id on to who can
   * tell. What fails is tried again at the next delivery, before anything later.
   */
  readonly act: (action: Action<A>) => Effect.Effect<void, E>
}

export interface Action<A> {
  /** The same whenever and by whichever build it is decided: name, position, number among those of its event. */
  readonly id: string
  readonly position: Position
  readonly recordedAt: number
  readonly what: A
}

/** Up to where everything was done, or is not to be done, by partition. */
export type Marks = (partition: Partition) => Position

/** What is to be done and was not yet. */
const OUTBOX = "outbox"
/** Partition → the mark with which the build began: it has to outlast a restart in the middle of a replay. */
const GATE = "gate"

interface Waiting<A> {
  readonly position: Position
  readonly partition: Partition
  readonly place: number
  readonly recordedAt: number
  readonly what: A
}

/** Positions have up to 20 digits; in keys they sort as they come. */
const keyOf = (merchantId: string, position: Position, place: number): string =>
  key(merchantId, position.padStart(20, "0"), String(place).padStart(4, "0"))

const gateKey = (partition: Partition): string => String(partition).padStart(3, "0")

const markIn = (docs: Docs, partition: Partition, marks: Marks): Position => {
  const known = docs.get<Position>(GATE, gateKey(partition))
  if (known !== undefined) return known
  for (let one = 0; one < PARTITIONS; one++) docs.put(GATE, gateKey(one), marks(one))
  return marks(partition)
}

/**
 * The fold of a reactor. `marks`: where a build of it begins to act, kept with its first event; what lies at or below
 * is not even noted.
 */
export const foldOf = <A, E>(reactor: Reactor<A, E>, marks: Marks): Projection => ({
  name: reactor.name,
  version: reactor.version,
  collections: [...reactor.collections, OUTBOX, GATE],
  apply: (event, docs) => {
    const decided = reactor.decide(event, docs)
    const partition = partitionOfStream(event.stream)
    if (partition === undefined || compare(event.position, markIn(docs, partition, marks)) <= 0) return
    decided.forEach((what, place) => {
      const { position, metadata } = event
      const waiting: Waiting<A> = { position, partition, place, recordedAt: metadata.recordedAt, what }
      docs.put(OUTBOX, keyOf(event.event.data.merchantId, position, place), waiting)
    })
  },
})

/** Up to where a build has folded: what it has acted on, once all that waits in it is delivered. */
export const marksOf = (
  readModels: ReadModelsService,
  build: string,
): Effect.Effect<Marks, ReadModelsUnavailable> =>
  Effect.map(
    readModels.checkpoints(build),
    (checkpoints) => (partition) => checkpoints.get(partition)?.position ?? start,
  )

/**
 * Where a build of the reactor begins to act: where the one that serves stands; for the first, at the head of the log,
 * as nothing that is in a log already is acted on. Asked once more for a build that has begun, it does not matter.
 */
export const marksToBegin = (
  readModels: ReadModelsService,
  reactor: Pick<Reactor<never>, "name" | "version">,
  head: Position,
): Effect.Effect<Marks, ReadModelsUnavailable> =>
  Effect.gen(function* () {
    const own = definitionOf(reactor)
    const before = (yield* readModels.builds).find(
      ({ projection, definition, state }) =>
        projection === reactor.name && definition !== own && state === "SERVING",
    )
    return before === undefined ? () => head : yield* marksOf(readModels, before.id)
  })

const PAGE = 500

const waitingIn = <A>(
  readModels: ReadModelsService,
  build: string,
): Effect.Effect<ReadonlyArray<{ key: string; waiting: Waiting<A> }>, ReadModelsUnavailable> =>
  Effect.gen(function* () {
    const found: Array<Row> = []
    for (let from = ""; ; ) {
      const scan = { collection: OUTBOX, from, to: "\uffff", limit: PAGE }
      const rows = (yield* readModels.query(build, 0, [scan])).rows[0] ?? []
      found.push(...rows)
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE) break
      from = afterKey(last.key)
    }
    return found
      .map(({ key: name, doc }) => ({ key: name, waiting: doc as Waiting<A> }))
      .toSorted(
        (a, b) => compare(a.waiting.position, b.waiting.position) || a.waiting.place - b.waiting.place,
      )
  })

/**
 * Does what waits in the build that serves, in the order of the log, and gives how much that was. `marks`: up to
 * where the build before has acted, which may have gone on while this one caught up; what lies at or below is
 * dropped undone.
 */
export const deliver = <A, E>(
  readModels: ReadModelsService,
  build: string,
  reactor: Reactor<A, E>,
  marks: Marks = () => start,
): Effect.Effect<number, E | ReadModelsUnavailable> =>
  Effect.gen(function* () {
    let acted = 0
    for (const { key: name, waiting } of yield* waitingIn<A>(readModels, build)) {
      const { position, partition, place, recordedAt, what } = waiting
      if (compare(position, marks(partition)) > 0) {
        yield* reactor.act({ id: `${reactor.name} ${position} ${place}`, position, recordedAt, what })
        acted++
      }
      const done: Put = { collection: OUTBOX, key: name, doc: undefined }
      yield* readModels.commit(build, [done], new Map())
    }
    return acted
  })
