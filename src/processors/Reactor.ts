import type * as Effect from "effect/Effect"
import type { RecordedEvent } from "../domain/Event.js"
import { compare, type Position } from "../domain/Position.js"
import { key } from "../readmodels/Key.js"
import type { Docs, Projection } from "./Projection.js"

/**
 * Acts on the world, and never on history. What is to be done is decided by a fold as pure as a projection's, so
 * that its state can be rebuilt; it waits in the build's documents, written with the checkpoint, and is done by the
 * build whose stretch of the log the event lies in (`Delivery.ts`). A gate holds what lies at or below the mark up
 * to which the build before has acted.
 */
export interface Reactor<A, E = never> {
  readonly name: string
  /** Raise it whenever the same events would give other documents or actions. */
  readonly version: number
  /** Of its own state. */
  readonly collections: ReadonlyArray<string>
  /** `import.meta.url` of its module, as of a projection. */
  readonly source?: string
  /** As a projection's `apply`; says what is to be done because of this event. Actions are JSON. */
  readonly decide: (event: RecordedEvent, docs: Docs) => ReadonlyArray<A>
  /**
   * Does it. A crash before it was noted as done makes it come again with the same id: hand the id on to who can
   * tell. What fails is tried again, less and less often, before anything later.
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

/** A reactor as it stands in a list with others. */
export type AnyReactor = Reactor<unknown, unknown>

/** Actions go from `decide` through JSON to `act` of the same reactor: nobody else has to know what they are. */
export const anyReactor = <A, E>(reactor: Reactor<A, E>): AnyReactor => reactor as unknown as AnyReactor

/** What is to be done and was not yet, in the order of the log. */
export const OUTBOX = "outbox"

export interface Waiting<A> {
  readonly position: Position
  readonly place: number
  readonly recordedAt: number
  readonly what: A
}

/** Positions have up to 20 digits; in keys they sort as they come. */
const keyOf = (position: Position, place: number): string =>
  key(position.padStart(20, "0"), String(place).padStart(4, "0"))

/** The fold of a reactor's build. What lies at or below the gate is not even noted. */
export const foldOf = <A, E>(reactor: Reactor<A, E>, gate: Position): Projection => ({
  name: reactor.name,
  version: reactor.version,
  collections: [...reactor.collections, OUTBOX],
  apply: (event, docs) => {
    const decided = reactor.decide(event, docs)
    if (compare(event.position, gate) <= 0) return
    decided.forEach((what, place) => {
      const { position, metadata } = event
      const waiting: Waiting<A> = { position, place, recordedAt: metadata.recordedAt, what }
      docs.put(OUTBOX, keyOf(position, place), waiting)
    })
  },
})

/** The fold of its state alone, to compare: what waits depends on what was done. */
export const stateOf = <A, E>({ decide, ...reactor }: Reactor<A, E>): Projection => ({
  ...{ name: reactor.name, version: reactor.version, collections: reactor.collections },
  ...(reactor.source === undefined ? {} : { source: reactor.source }),
  apply: (event, docs) => {
    decide(event, docs)
  },
})
