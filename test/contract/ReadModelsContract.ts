import * as Effect from "effect/Effect"
import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { fromNumber } from "../../src/domain/Position.js"
import { afterKey, key, under } from "../../src/readmodels/Key.js"
import type { Build, Put, ReadModelsService, Registered } from "../../src/readmodels/ReadModels.js"

/** A store under test: what writes it, and what reads it (the same, or another connection). */
export interface ReadModelsUnderTest {
  readonly writer: ReadModelsService
  readonly reader: ReadModelsService
  /** Closes and opens the store again; undefined for one that keeps nothing. */
  readonly reopen: (() => Promise<ReadModelsUnderTest>) | undefined
  readonly close: () => Promise<void>
}

const run = Effect.runPromise
const at = (position: number, recordedAt: number | null = null) =>
  new Map([[3, { position: fromNumber(position), recordedAt }]])
const put = (collection: string, documentKey: string, doc: unknown): Put => ({
  collection,
  key: documentKey,
  doc,
})

/** What every store of read models promises. */
export const readModelsContract = (name: string, open: () => Promise<ReadModelsUnderTest>): void => {
  describe(`read models: ${name}`, () => {
    let store: ReadModelsUnderTest
    beforeEach(async () => {
      store = await open()
    })
    afterEach(() => store.close())

    it("is empty at first", async () => {
      expect(await run(store.reader.builds)).toEqual([])
      expect((await run(store.reader.checkpoints("b"))).size).toBe(0)
      const answer = await run(store.reader.query("b", 3, [{ collection: "c", from: "", to: "z" }]))
      expect(answer).toEqual({ checkpoint: { position: "0", recordedAt: null }, rows: [[]] })
      expect(await run(store.reader.load("b", [{ collection: "c", key: "k" }]))).toEqual([undefined])
    })

    it("gives back what was committed, with its checkpoint", async () => {
      const doc = { a: [1, "two", null], ü: { deep: true }, zero: "\u0000" }
      await run(store.writer.commit("b", [put("c", "k", doc), put("d", "k", 7)], at(12, 99)))
      expect(
        await run(
          store.reader.load("b", [
            { collection: "d", key: "k" },
            { collection: "c", key: "k" },
            { collection: "c", key: "x" },
          ]),
        ),
      ).toEqual([7, doc, undefined])
      expect((await run(store.reader.checkpoints("b"))).get(3)).toEqual({ position: "12", recordedAt: 99 })
      if (store.writer.loadNow !== undefined) {
        expect(store.writer.loadNow("b", { collection: "c", key: "k" })).toEqual(doc)
      }
    })

    it("replaces and removes documents", async () => {
      await run(store.writer.commit("b", [put("c", "k", 1), put("c", "l", 1)], at(1)))
      await run(
        store.writer.commit(
          "b",
          [put("c", "k", 2), put("c", "l", undefined), put("c", "m", undefined)],
          at(2),
        ),
      )
      const { rows, checkpoint } = await run(
        store.reader.query("b", 3, [{ collection: "c", from: "", to: "z" }]),
      )
      expect(rows).toEqual([[{ key: "k", doc: 2 }]])
      expect(checkpoint.position).toBe("2")
    })

    it("keeps the checkpoints of other partitions", async () => {
      await run(store.writer.commit("b", [], new Map([[1, { position: fromNumber(5), recordedAt: 1 }]])))
      await run(store.writer.commit("b", [], new Map([[2, { position: fromNumber(9), recordedAt: null }]])))
      expect([...(await run(store.reader.checkpoints("b")))].sort()).toEqual([
        [1, { position: "5", recordedAt: 1 }],
        [2, { position: "9", recordedAt: null }],
      ])
    })

    it("keeps of a partition whether it has dead letters", async () => {
      const plain = { position: fromNumber(4), recordedAt: 40 }
      const stalled = { position: fromNumber(4), recordedAt: 41, hasDeadLetters: true as const }
      const checkpoints = new Map([
        [3, plain],
        [4, stalled],
      ])
      await run(store.writer.commit("b", [], checkpoints))
      expect(await run(store.reader.checkpoints("b"))).toEqual(checkpoints)
      expect((await run(store.reader.query("b", 4, []))).checkpoint).toEqual(stalled)
      await run(store.writer.commit("b", [], new Map([[4, plain]])))
      expect((await run(store.reader.query("b", 4, []))).checkpoint).toEqual(plain)
    })

    it("takes a commit as a whole or not at all", async () => {
      await run(store.writer.commit("b", [put("c", "k", 1)], at(1)))
      const cycle: Record<string, unknown> = {}
      cycle.self = cycle
      const failed = await run(
        Effect.exit(
          store.writer.commit("b", [put("c", "k", 2), put("new", "k", 2), put("c", "z", cycle)], at(2)),
        ),
      )
      expect(failed._tag).toBe("Failure")
      const { rows, checkpoint } = await run(
        store.reader.query("b", 3, [
          { collection: "c", from: "", to: "~" },
          { collection: "new", from: "", to: "~" },
        ]),
      )
      expect(rows).toEqual([[{ key: "k", doc: 1 }], []])
      expect(checkpoint.position).toBe("1")
      await run(store.writer.commit("b", [put("c", "k", 2), put("new", "k", 2)], at(2)))
      expect(await run(store.reader.load("b", [{ collection: "new", key: "k" }]))).toEqual([2])
    })

    it("scans any range in order of keys, either way, like a sorted list", async () => {
      let build = 0
      const text = fc.string({ unit: fc.constantFrom("a", "b", "\u0001"), maxLength: 4 })
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(text, fc.integer()), { maxLength: 30 }),
          text,
          text,
          fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
          fc.boolean(),
          async (entries, from, to, limit, reverse) => {
            const id = `b${build++}`
            const docs = new Map(entries)
            await run(
              store.writer.commit(
                id,
                [...docs].map(([k, doc]) => put("c", k, doc)),
                at(1),
              ),
            )
            const scan = { collection: "c", from, to, reverse, ...(limit === undefined ? {} : { limit }) }
            const { rows } = await run(store.reader.query(id, 3, [scan]))
            const expected = [...docs]
              .filter(([k]) => k >= from && k < to)
              .sort(([a], [b]) => (a < b ? -1 : 1))
            if (reverse) expected.reverse()
            expect(rows[0]).toEqual(expected.slice(0, limit).map(([k, doc]) => ({ key: k, doc })))
          },
        ),
        { numRuns: 60 },
      )
    })

    it("finds what lies under a key, and nothing beside it", async () => {
      const keys = [key("a"), key("a", "1"), key("a", "2", "x"), key("ab", "1"), key("b", "1")]
      await run(
        store.writer.commit(
          "b",
          keys.map((k) => put("c", k, 0)),
          at(1),
        ),
      )
      const { rows } = await run(store.reader.query("b", 3, [{ collection: "c", ...under("a") }]))
      expect(rows[0]?.map((row) => row.key)).toEqual([key("a", "1"), key("a", "2", "x")])
    })

    it("goes on after a key by pages of any size, each document once", async () => {
      const keys = ["a", key("a", "1"), key("a", "2"), key("a", "2", "x"), "ab", "b", "\u00fc"]
      await run(
        store.writer.commit(
          "b",
          keys.map((one) => put("c", one, one)),
          at(1),
        ),
      )
      for (let limit = 1; limit <= keys.length + 1; limit++) {
        const found: Array<string> = []
        for (let from = ""; ; ) {
          const scan = { collection: "c", from, to: "\uffff", limit }
          const rows = (await run(store.reader.query("b", 3, [scan]))).rows[0] ?? []
          found.push(...rows.map((row) => row.key))
          const last = rows.at(-1)
          if (last === undefined || rows.length < limit) break
          from = afterKey(last.key)
        }
        expect(found).toEqual(keys)
      }
    })

    it("answers many questions in order, each with the checkpoint of its partition", async () => {
      await run(store.writer.commit("b", [put("c", "a", 1), put("c", "z", 2), put("d", "a", 3)], at(7, 70)))
      await run(store.writer.commit("b", [], new Map([[4, { position: fromNumber(9), recordedAt: 90 }]])))
      const scan = (collection: string) => ({ collection, from: "a", to: "b" })
      const answers = await run(
        store.reader.queryMany("b", [
          { partition: 4, scans: [scan("d"), scan("c")] },
          { partition: 3, scans: [] },
          { partition: 5, scans: [scan("none")] },
        ]),
      )
      expect(answers).toEqual([
        {
          checkpoint: { position: "9", recordedAt: 90 },
          rows: [[{ key: "a", doc: 3 }], [{ key: "a", doc: 1 }]],
        },
        { checkpoint: { position: "7", recordedAt: 70 }, rows: [] },
        { checkpoint: { position: "0", recordedAt: null }, rows: [[]] },
      ])
      expect(await run(store.reader.queryMany("b", []))).toEqual([])
    })

    it("reads what follows from the first rows, and gives it after them", async () => {
      const links = [put("c", "a", "x"), put("c", "b", "y"), put("d", "x", 1), put("d", "y", 2)]
      await run(store.writer.commit("b", links, at(1)))
      const given: Array<unknown> = []
      const answer = await run(
        store.reader.query("b", 3, [{ collection: "c", from: "", to: "~" }], (rows) => {
          given.push(rows)
          return rows.flat().map(({ doc }) => ({ collection: "d", from: `${doc}`, to: `${doc}~` }))
        }),
      )
      const first = [
        { key: "a", doc: "x" },
        { key: "b", doc: "y" },
      ]
      expect(given).toEqual([[first]])
      expect(answer.rows).toEqual([first, [{ key: "x", doc: 1 }], [{ key: "y", doc: 2 }]])
    })

    it("answers many questions, and what follows from them, at one moment", async () => {
      const all = { collection: "c", from: "", to: "~" }
      const commit = (n: number) => store.writer.commit("b", [put("c", "k", n)], at(n))
      await run(commit(1))
      // A store that is its own writer answers within one turn: a write can only come after it.
      const turn = store.writer === store.reader ? Effect.yieldNow() : Effect.void
      let writing: Promise<void> | undefined
      const answers = await run(
        store.reader.queryMany("b", [
          {
            partition: 3,
            scans: [all],
            follow: () => {
              writing = run(Effect.zipRight(turn, commit(2)))
              return [all]
            },
          },
          { partition: 3, scans: [all] },
        ]),
      )
      await writing
      const seen = answers.flatMap(({ checkpoint, rows }) => [
        Number(checkpoint.position),
        ...rows.flat().map(({ doc }) => doc),
      ])
      expect(new Set(seen).size).toBe(1)
      expect(seen).toHaveLength(5)
      const later = await run(store.reader.query("b", 3, [all]))
      expect(later.rows).toEqual([[{ key: "k", doc: 2 }]])
    })

    it("fails as a whole when what follows can't be said, and answers the next question", async () => {
      await run(store.writer.commit("b", [put("c", "k", 1)], at(1)))
      const all = { collection: "c", from: "", to: "~" }
      const failed = await run(
        Effect.exit(
          store.reader.query("b", 3, [all], () => {
            throw new Error("no")
          }),
        ),
      )
      expect(failed._tag).toBe("Failure")
      await run(store.writer.commit("b", [put("c", "k", 2)], at(2)))
      expect((await run(store.reader.query("b", 3, [all]))).rows).toEqual([[{ key: "k", doc: 2 }]])
    })

    it("keeps builds apart, and drops one whole", async () => {
      await run(store.writer.saveBuild({ id: "p-1", projection: "p", definition: "p@1", state: "SERVING" }))
      await run(store.writer.saveBuild({ id: "p-2", projection: "p", definition: "p@2", state: "BUILDING" }))
      await run(store.writer.commit("p-1", [put("c", "k", 1)], at(1)))
      await run(store.writer.commit("p-2", [put("c", "k", 2)], at(2)))
      expect(await run(store.reader.load("p-1", [{ collection: "c", key: "k" }]))).toEqual([1])
      await run(store.writer.dropBuild("p-1"))
      expect((await run(store.reader.builds)).map((build) => build.id)).toEqual(["p-2"])
      expect(await run(store.reader.load("p-1", [{ collection: "c", key: "k" }]))).toEqual([undefined])
      expect((await run(store.reader.checkpoints("p-1"))).size).toBe(0)
      expect(await run(store.reader.load("p-2", [{ collection: "c", key: "k" }]))).toEqual([2])
      await run(store.writer.commit("p-1", [put("c", "k", 3)], at(3)))
      expect(await run(store.reader.load("p-1", [{ collection: "c", key: "k" }]))).toEqual([3])
    })

    it("has one serving build of a projection", async () => {
      const build = (id: string, projection: string) => ({
        id,
        projection,
        definition: `${projection}@1`,
        state: "SERVING" as const,
      })
      await run(store.writer.saveBuild(build("p-1", "p")))
      await run(store.writer.saveBuild(build("q-1", "q")))
      await run(store.writer.saveBuild(build("p-2", "p")))
      expect((await run(store.reader.builds)).map(({ id, state }) => [id, state])).toEqual([
        ["p-1", "STANDBY"],
        ["p-2", "SERVING"],
        ["q-1", "SERVING"],
      ])
    })

    it("registers what follows the stored revision, and nothing else", async () => {
      const first: Registered = {
        ...{ projection: "p", revision: 1, numbered: 1 },
        builds: [{ id: "p-1", projection: "p", definition: "p@1", state: "SERVING", fingerprint: "f" }],
      }
      const act = { by: "someone", at: 7, what: "paused p" }
      expect(await run(store.reader.registered)).toEqual([])
      expect(await run(store.writer.register({ ...first, revision: 2 }))).toBe(false)
      expect(await run(store.writer.register(first))).toBe(true)
      expect(await run(store.reader.registered)).toEqual([first])
      expect(await run(store.writer.register(first))).toBe(false)
      const second = { ...first, revision: 2, paused: act, last: act }
      expect(await run(store.writer.register(second))).toBe(true)
      expect(await run(store.writer.register({ ...first, revision: 2 }))).toBe(false)
      expect(await run(store.reader.registered)).toEqual([second])
    })

    it("lets one of many registrations at once succeed, whoever asks", async () => {
      const at = (revision: number, by: string): Registered => ({
        ...{ projection: "p", revision, builds: [], numbered: revision },
        last: { by, at: 0, what: "" },
      })
      for (let revision = 1; revision <= 5; revision++) {
        const answers = await Promise.all(
          Array.from({ length: 6 }, (_, i) =>
            run((i % 2 === 0 ? store.writer : store.reader).register(at(revision, `${i}`))),
          ),
        )
        expect(answers.filter((won) => won)).toHaveLength(1)
        const [stored] = await run(store.reader.registered)
        expect(stored?.last?.by).toBe(String(answers.indexOf(true)))
      }
    })

    it("does not list a build that is about to be removed, and keeps it until it is", async () => {
      const build: Build = { id: "p-1", projection: "p", definition: "p@1", state: "STANDBY" }
      await run(store.writer.saveBuild(build))
      await run(store.writer.commit("p-1", [put("c", "k", 1)], at(1)))
      await run(store.writer.saveBuild({ ...build, dropped: { by: "someone", at: 7, what: "dropped p-1" } }))
      expect(await run(store.reader.builds)).toEqual([])
      expect(await run(store.reader.load("p-1", [{ collection: "c", key: "k" }]))).toEqual([1])
      await run(store.writer.dropBuild("p-1"))
      expect(await run(store.reader.registered)).toMatchObject([{ builds: [], numbered: 1 }])
    })

    it("still has everything after it was closed and opened", async () => {
      if (store.reopen === undefined) return
      await run(store.writer.saveBuild({ id: "p-1", projection: "p", definition: "p@1", state: "SERVING" }))
      await run(store.writer.commit("p-1", [put("c", "k", 1)], at(1, 5)))
      store = await store.reopen()
      expect(await run(store.reader.builds)).toHaveLength(1)
      const { rows, checkpoint } = await run(
        store.reader.query("p-1", 3, [{ collection: "c", from: "", to: "~" }]),
      )
      expect(rows).toEqual([[{ key: "k", doc: 1 }]])
      expect(checkpoint).toEqual({ position: "1", recordedAt: 5 })
    })
  })
}
