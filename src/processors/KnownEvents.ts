import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { isSystemType, STORED_VERSION, type StoredEvent, SystemType } from "../domain/Event.js"

const systemTypes: ReadonlySet<string> = new Set(Object.values(SystemType))

/**
 * What a program of this version does not know of an event: a type that only Tidemark writes and this one does
 * not have, or a form of another version. Undefined for an event that it knows; every sent type is known.
 */
export const unknownOf = ({ type, v }: StoredEvent): string | undefined => {
  if (v !== STORED_VERSION) return `${type} of version ${v}`
  return isSystemType(type) && !systemTypes.has(type) ? type : undefined
}

/**
 * What a fold does with events that it doesn't know. `strict`: it stops, as a rebuild must not make numbers that
 * lack something. Else it passes them over and counts them by type, for a program of an earlier version has to
 * go on beside a later one.
 */
export class UnknownEvents {
  private readonly counts = new Map<string, number>()

  constructor(
    /** To be set to false when a rebuilt build begins to serve. */
    public strict: boolean,
    /** Called for the first of each type. */
    private readonly onFirst: (what: string) => void = () => {},
  ) {}

  passOver(what: string): void {
    const count = this.counts.get(what) ?? 0
    if (count === 0) this.onFirst(what)
    this.counts.set(what, count + 1)
  }

  /** How many were passed over since the start, by type; undefined when none was. */
  get passedOver(): Readonly<Record<string, number>> | undefined {
    return this.counts.size === 0 ? undefined : Object.fromEntries(this.counts)
  }
}

/** Warns of the first event of each type, for all folds together. */
export const logOnce: Effect.Effect<(what: string) => void> = Effect.map(Effect.runtime(), (runtime) => {
  const said = new Set<string>()
  return (what) => {
    if (said.has(what)) return
    said.add(what)
    Runtime.runFork(runtime)(
      Effect.logWarning(
        `the log has events of ${what}, which this program does not know: it passes them over. The numbers lack them until the version that records them runs here and rebuilds`,
      ),
    )
  }
})
