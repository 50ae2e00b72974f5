import { describe, expect, it } from "vitest"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import type { Docs, Projection } from "../../../src/processors/Projection.js"
import { preloadFor } from "../../../src/processors/Speculation.js"
import { WorkingSet } from "../../../src/processors/WorkingSet.js"
import { makeMemoryReadModels } from "../../../src/readmodels/MemoryReadModels.js"
import { recorded, run } from "./support.js"

/** A document's part that is an object in memory and a text in stores. */
class Names {
  constructor(private readonly names: Set<string>) {}

  static of(stored: string | Names | undefined): Names {
    if (stored instanceof Names) return stored
    return new Names(new Set(stored === undefined || stored === "" ? [] : stored.split(" ")))
  }

  add(name: string): void {
    this.names.add(name)
  }

  get size(): number {
    return this.names.size
  }

  toJSON(): string {
    return [...this.names].sort().join(" ")
  }
}

interface Doc {
  names?: string | Names
}

/** Notes a name, and counts under how many names are known now: which document that is depends on the set. */
const fold: Projection = {
  name: "names",
  version: 1,
  collections: ["sets", "counts"],
  apply: ({ event }, docs) => {
    const doc = docs.edit<Doc>("sets", event.data.merchantId, () => ({}))
    const names = Names.of(doc.names)
    doc.names = names
    names.add(event.data.path ?? "")
    docs.edit("counts", String(names.size), () => ({ n: 0 })).n++
  },
}

const events = (...paths: ReadonlyArray<string>): ReadonlyArray<RecordedEvent> =>
  recorded(paths.map((path) => ({ type: "pageview", at: 1, recordedAt: 1, data: { merchantId: "m", path } })))

describe("folding on a store that can't answer at once", () => {
  it("loads what a fold asks for that holds objects with a JSON form in its documents", async () => {
    const store = makeMemoryReadModels({ synchronous: false })
    const counts = [2, 3, 4].map((n) => ({ collection: "counts", key: String(n), doc: { n: 10 } }))
    await run(
      store.commit("b", [{ collection: "sets", key: "m", doc: { names: "a" } }, ...counts], new Map()),
    )
    const working = new WorkingSet(() => undefined)
    for (const batch of [events("b"), events("b", "c"), events("d")]) {
      await run(preloadFor(store, "b", fold, batch, working))
      for (const event of batch) fold.apply(event, working)
    }
    await run(store.commit("b", working.puts(), new Map()))
    const refs = [
      { collection: "sets", key: "m" },
      ...counts.map(({ collection, key }) => ({ collection, key })),
    ]
    expect(await run(store.load("b", refs))).toEqual([{ names: "a b c d" }, { n: 12 }, { n: 11 }, { n: 11 }])
  })

  it("a trial changes no document and leaves no reference in the memo of the real fold", async () => {
    const store = makeMemoryReadModels({ synchronous: false })
    const working = new WorkingSet(() => undefined)
    const seen: Array<unknown> = []
    const remembering: Projection = {
      ...fold,
      apply: (event, docs) => {
        seen.push(docs.memo.get("last"))
        fold.apply(event, docs)
        docs.memo.set("last", docs.get("sets", "m"))
      },
    }
    const batch = events("a", "b")
    await run(preloadFor(store, "b", remembering, batch, working))
    expect(seen[1]).toBeDefined()
    expect(working.memo.size).toBe(0)
    expect(working.get("sets", "m")).toBeUndefined()
    expect(working.changedCount).toBe(0)
  })
})

describe("the memo of a working set", () => {
  const remember = (docs: Docs) => {
    docs.memo.set(
      "part",
      docs.edit("c", "k", () => ({ n: 0 })),
    )
  }

  it("is empty after a commit and after changes are thrown away", () => {
    const working = new WorkingSet(() => undefined)
    remember(working)
    expect(working.memo.get("part")).toBe(working.get("c", "k"))
    working.committed()
    expect(working.memo.size).toBe(0)
    remember(working)
    working.discard()
    expect(working.memo.size).toBe(0)
  })
})
