import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Partition } from "../domain/Partition.js"
import { start } from "../domain/Position.js"
import { textOf } from "./DocText.js"
import {
  type Answer,
  type Checkpoint,
  type Doc,
  type Question,
  queryThrough,
  ReadModels,
  type ReadModelsService,
  ReadModelsUnavailable,
  type Registered,
  type Registry,
  type Row,
  type Scan,
} from "./ReadModels.js"
import { buildsThrough, unregister } from "./Registry.js"

interface Kept {
  readonly collections: Map<string, Map<string, string>>
  readonly checkpoints: Map<Partition, Checkpoint>
}

/**
 * Read models that are gone with the process. Documents are kept as text, so that nobody can change
 * what was committed. Without `synchronous` it has no `loadNow`, like a store behind a network.
 */
export const makeMemoryReadModels = (options: { readonly synchronous: boolean }): ReadModelsService => {
  const registered = new Map<string, Registered>()
  const kept = new Map<string, Kept>()

  const of = (build: string): Kept => {
    let found = kept.get(build)
    if (found === undefined) {
      found = { collections: new Map(), checkpoints: new Map() }
      kept.set(build, found)
    }
    return found
  }
  const load = (
    build: string,
    ref: { readonly collection: string; readonly key: string },
  ): Doc | undefined => {
    const text = kept.get(build)?.collections.get(ref.collection)?.get(ref.key)
    return text === undefined ? undefined : JSON.parse(text)
  }
  const scanned = (build: string, scan: Scan): ReadonlyArray<Row> => {
    const docs = kept.get(build)?.collections.get(scan.collection) ?? new Map<string, string>()
    const keys = [...docs.keys()].filter((key) => key >= scan.from && key < scan.to).sort()
    if (scan.reverse === true) keys.reverse()
    return keys
      .slice(0, scan.limit ?? keys.length)
      .map((key) => ({ key, doc: JSON.parse(docs.get(key) as string) }))
  }

  const answered = (build: string, { partition, scans, follow }: Question): Answer => {
    const rows = scans.map((scan) => scanned(build, scan))
    return {
      checkpoint: kept.get(build)?.checkpoints.get(partition) ?? { position: start, recordedAt: null },
      rows: follow === undefined ? rows : [...rows, ...follow(rows).map((scan) => scanned(build, scan))],
    }
  }
  const queryMany: ReadModelsService["queryMany"] = (build, questions) =>
    Effect.try({
      try: () => questions.map((question) => answered(build, question)),
      catch: (cause) => new ReadModelsUnavailable({ reason: `querying ${build}: ${String(cause)}`, cause }),
    })

  const registry: Registry = {
    registered: Effect.sync(() =>
      [...registered.values()].sort((a, b) => (a.projection < b.projection ? -1 : 1)),
    ),
    register: (next) =>
      Effect.sync(() => {
        const revision = registered.get(next.projection)?.revision ?? 0
        if (next.revision !== revision + 1) return false
        registered.set(next.projection, structuredClone(next))
        return true
      }),
  }

  return {
    ...registry,
    ...buildsThrough(registry),
    dropBuild: (build) =>
      unregister(registry, build).pipe(Effect.zipRight(Effect.sync(() => void kept.delete(build)))),
    checkpoints: (build) => Effect.sync(() => new Map(kept.get(build)?.checkpoints)),
    load: (build, refs) => Effect.sync(() => refs.map((ref) => load(build, ref))),
    ...(options.synchronous ? { loadNow: load } : {}),
    commit: (build, puts, checkpoints) =>
      Effect.try({
        try: () => {
          // All texts first: a document that has none must leave everything as it was.
          const texts = puts.map((put) => (put.doc === undefined ? undefined : textOf(put.doc)))
          const { collections, checkpoints: all } = of(build)
          puts.forEach((put, i) => {
            let docs = collections.get(put.collection)
            if (docs === undefined) {
              docs = new Map()
              collections.set(put.collection, docs)
            }
            const text = texts[i]
            if (text === undefined) docs.delete(put.key)
            else docs.set(put.key, text)
          })
          for (const [partition, checkpoint] of checkpoints) all.set(partition, checkpoint)
        },
        catch: (cause) => new ReadModelsUnavailable({ reason: `writing ${build}: ${String(cause)}`, cause }),
      }),
    queryMany,
    query: queryThrough(queryMany),
  }
}

export const layer = (options: { readonly synchronous: boolean }): Layer.Layer<ReadModels> =>
  Layer.sync(ReadModels, () => makeMemoryReadModels(options))
