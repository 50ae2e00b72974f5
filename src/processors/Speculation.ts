import * as Effect from "effect/Effect"
import type { RecordedEvent } from "../domain/Event.js"
import { textOf } from "../readmodels/DocText.js"
import type { Doc, ReadModelsService, ReadModelsUnavailable, Ref } from "../readmodels/ReadModels.js"
import type { Docs, Projection } from "./Projection.js"
import type { WorkingSet } from "./WorkingSet.js"

/**
 * The document as a store would give it back: a fold may have put objects in that have a JSON form, such
 * as a `VisitorSet`, which a structured clone would take apart.
 */
const copyOf = (doc: Doc | undefined): Doc | undefined =>
  doc === undefined ? undefined : JSON.parse(textOf(doc))

/** Copies, so that the folds of a trial change nothing; remembers what was asked for and not at hand. */
class Trial implements Docs {
  readonly missing = new Map<string, Ref>()
  readonly memo = new Map<string, unknown>()
  private readonly copies = new Map<string, Doc | undefined>()

  constructor(private readonly working: WorkingSet) {}

  get<A extends Doc>(collection: string, key: string): A | undefined {
    const id = `${collection}\u0000${key}`
    if (this.copies.has(id)) return this.copies.get(id) as A | undefined
    const { known, doc } = this.working.peek(collection, key)
    if (!known) this.missing.set(id, { collection, key })
    const copy = copyOf(doc)
    this.copies.set(id, copy)
    return copy as A | undefined
  }

  put(collection: string, key: string, doc: Doc | undefined): void {
    this.get(collection, key)
    this.copies.set(`${collection}\u0000${key}`, doc)
  }

  edit<A extends object>(collection: string, key: string, create: () => A): A {
    const known = this.get<A>(collection, key)
    if (known !== undefined) return known
    const made = create()
    this.copies.set(`${collection}\u0000${key}`, made)
    return made
  }
}

/**
 * Brings every document that folding these events will ask for into the working set, for stores that
 * can't answer at once. The events are folded on trial, missing documents read as absent, and loaded in
 * one call; what is loaded may lead to other documents, so this is repeated until nothing is missing.
 */
export const preloadFor = (
  readModels: ReadModelsService,
  build: string,
  projection: Projection,
  events: ReadonlyArray<RecordedEvent>,
  working: WorkingSet,
): Effect.Effect<void, ReadModelsUnavailable> =>
  Effect.gen(function* () {
    for (;;) {
      const trial = new Trial(working)
      for (const event of events) {
        try {
          projection.apply(event, trial)
        } catch {
          // With documents missing a fold may fail; the real pass decides.
        }
      }
      const refs = [...trial.missing.values()]
      if (refs.length === 0) return
      const docs = yield* readModels.load(build, refs)
      refs.forEach((ref, i) => {
        working.preload(ref.collection, ref.key, docs[i])
      })
    }
  })
