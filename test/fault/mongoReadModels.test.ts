import { Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { MongoClient } from "mongodb"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import { fromNumber } from "../../src/domain/Position.js"
import * as Mongo from "../../src/readmodels/mongodb/MongoReadModels.js"
import { type Put, ReadModels, type ReadModelsService } from "../../src/readmodels/ReadModels.js"
import { hasOwnMongo, MongoServer, redacted, withDatabase } from "../support/MongoServer.js"
import { until } from "../support/until.js"

const run = Effect.runPromise
const written = Socket.prototype.write
const BUILD = "metrics-1"
const at = (n: number) => new Map([[3, { position: fromNumber(n), recordedAt: n }]])
const put = (key: string, doc: unknown, collection = "days"): Put => ({ collection, key, doc })
const everything = { collection: "days", from: "", to: "~" }

type Options = Omit<Mongo.MongoWriterOptions, "url">
type Step = Parameters<NonNullable<Options["at"]>>[0]

describe.skipIf(!hasOwnMongo)("read models in MongoDB, when things go wrong", () => {
  const server = new MongoServer()
  let name = 0
  let url = ""
  const scopes: Array<Scope.CloseableScope> = []

  const open = async (make: () => Layer.Layer<ReadModels, unknown>): Promise<ReadModelsService> => {
    const scope = Effect.runSync(Scope.make())
    scopes.push(scope)
    const context = await run(Layer.buildWithScope(make(), scope))
    return Effect.runSync(Effect.provide(ReadModels, context))
  }
  const writer = (options: Options = {}) => open(() => Mongo.layer({ url: redacted(url), ...options }))
  const reader = (options: { deadlineMs?: number } = {}) =>
    open(() => Mongo.readerLayer({ url: redacted(url), ...options }))
  const seen = async (store: ReadModelsService) => {
    const { checkpoint, rows } = await run(store.query(BUILD, 3, [everything]))
    return [checkpoint.position, Object.fromEntries(rows[0]?.map(({ key, doc }) => [key, doc]) ?? [])]
  }
  const raw = async <A>(use: (client: MongoClient) => Promise<A>): Promise<A> => {
    const client = new MongoClient(url)
    try {
      return await use(client)
    } finally {
      await client.close()
    }
  }

  beforeAll(() => server.start())
  beforeEach(() => {
    url = withDatabase(server.url, `faults-${name++}`)
  })
  afterEach(async () => {
    for (const scope of scopes.splice(0)) await run(Scope.close(scope, Exit.void))
  })
  afterAll(() => server.close())

  for (const step of ["journalled", "applied", "moved"] as const satisfies ReadonlyArray<Step>) {
    it(`a commit that was cut off once ${step} is whole for the next writer`, async () => {
      let cut = false
      const first = await writer({
        at: async (reached) => {
          if (cut && reached === step) throw new Error("cut off")
        },
      })
      await run(first.commit(BUILD, [put("a", 1), put("gone", 1)], at(1)))
      cut = true
      const failed = await run(
        Effect.exit(first.commit(BUILD, [put("a", 2), put("b", 2), put("gone", undefined)], at(2))),
      )
      expect(failed._tag).toBe("Failure")

      const second = await writer()
      expect((await run(second.checkpoints(BUILD))).get(3)?.position).toBe("2")
      expect(await seen(await reader())).toEqual(["2", { a: 2, b: 2 }])
      await run(second.commit(BUILD, [put("a", 3)], at(3)))
      expect(await seen(await reader())).toEqual(["3", { a: 3, b: 2 }])
    })
  }

  it("a commit whose journal was not finished never happened", async () => {
    const first = await writer()
    await run(first.commit(BUILD, [put("a", 1)], at(1)))
    // What a writer that dies between the parts of a large journal leaves.
    await raw((client) =>
      client
        .db()
        .collection<{ _id: string }>("journal")
        .insertOne({ _id: `1/${"9".padStart(16, "0")}/x/0` }),
    )
    const second = await writer()
    expect((await run(second.checkpoints(BUILD))).get(3)?.position).toBe("1")
    await run(second.commit(BUILD, [put("a", 2)], at(2)))
    expect(await seen(await reader())).toEqual(["2", { a: 2 }])
  })

  it("a commit of several journal parts is finished from all of them", async () => {
    const text = "x".repeat(3_000_000)
    const puts = Array.from({ length: 9 }, (_, i) => put(`k${i}`, `${text}${i}`))
    let cut = true
    const first = await writer({
      at: async (reached, build) => {
        // The first commit of all makes the build.
        if (cut && reached === "journalled" && build === BUILD) throw new Error("cut off")
      },
    })
    cut = false
    await run(first.commit(BUILD, [], at(1)))
    cut = true
    expect((await run(Effect.exit(first.commit(BUILD, puts, at(2)))))._tag).toBe("Failure")
    const second = await writer()
    expect((await run(second.checkpoints(BUILD))).get(3)?.position).toBe("2")
    const docs = await run(second.load(BUILD, puts))
    expect(docs.map((doc) => String(doc).at(-1))).toEqual(puts.map((_, i) => String(i)))
  })

  it("a failed write between a document and the checkpoint is made good by the next try of the same writer", async () => {
    let cuts = 2
    const store = await writer({
      at: async (reached) => {
        if (reached === "applied" && cuts-- > 0) throw new Error("cut off")
      },
    })
    const commit = store.commit(BUILD, [put("a", 1), put("b", 1)], at(1))
    expect((await run(Effect.exit(commit)))._tag).toBe("Failure")
    expect((await run(Effect.exit(commit)))._tag).toBe("Failure")
    await run(commit)
    await run(store.commit(BUILD, [put("a", 2)], at(2)))
    expect(await seen(await reader())).toEqual(["2", { a: 2, b: 1 }])
  })

  it("a former writer can't write any more, and is told so", async () => {
    const former = await writer()
    await run(former.commit(BUILD, [put("a", "former")], at(1)))
    const latter = await writer()
    expect((await run(latter.checkpoints(BUILD))).get(3)?.position).toBe("1")
    await run(latter.commit(BUILD, [put("b", "latter")], at(2)))
    const refused = await run(Effect.flip(former.commit(BUILD, [put("a", "late")], at(9))))
    expect(refused).toMatchObject({ _tag: "ReadModelsUnavailable", isFinal: true })
    expect(refused.reason).toContain("another process writes")
    expect(await seen(await reader())).toEqual(["2", { a: "former", b: "latter" }])
    await run(latter.commit(BUILD, [put("a", "latter")], at(3)))
    expect(await seen(await reader())).toEqual(["3", { a: "latter", b: "latter" }])
  })

  it("a former writer that wakes up after its journal, much later, changes nothing", async () => {
    let asleep: (() => void) | undefined
    let sleeps = false
    const former = await writer({
      at: (reached) =>
        sleeps && reached === "journalled" ? new Promise((resolve) => (asleep = resolve)) : Promise.resolve(),
    })
    await run(former.commit(BUILD, [put("a", 1)], at(1)))
    sleeps = true
    const late = run(Effect.exit(former.commit(BUILD, [put("a", 2), put("late", 2)], at(2))))
    await until("the writer sleeps", 5_000, () => asleep !== undefined)
    const latter = await writer()
    // What is in the journal was committed.
    expect((await run(latter.checkpoints(BUILD))).get(3)?.position).toBe("2")
    await run(latter.commit(BUILD, [put("a", 3), put("late", undefined)], at(3)))
    await run(latter.commit(BUILD, [put("b", 4)], at(4)))
    asleep?.()
    expect((await late)._tag).toBe("Failure")
    expect(await seen(await reader())).toEqual(["4", { a: 3, b: 4 }])
  })

  it("a reader never sees half of a commit that is being put in place", async () => {
    const keys = Array.from({ length: 60 }, (_, i) => `k${String(i).padStart(3, "0")}`)
    const store = await writer()
    const all = (n: number) =>
      run(
        store.commit(
          BUILD,
          keys.map((key) => put(key, n)),
          at(n),
        ),
      )
    await all(1)
    const eyes = await reader()
    let writing = true
    let mixed = 0
    let reads = 0
    let last = 1
    const writes = (async () => {
      while (last < 8 || reads < 8) await all(++last)
      writing = false
    })()
    while (writing) {
      const [position, docs] = await seen(eyes)
      reads++
      // Past its patience a reader takes what is there; a commit of this size is in place well before.
      if (new Set([Number(position), ...Object.values(docs as object)]).size > 1) mixed++
    }
    await writes
    expect(mixed).toBe(0)
    expect((await seen(eyes))[0]).toBe(String(last))
  })

  it("a reader sees the whole of a commit whose writer died in its midst, and its checkpoint", async () => {
    for (const step of ["journalled", "applied"] as const) {
      url = withDatabase(server.url, `faults-${name++}`)
      let cut = false
      const store = await writer({
        at: async (reached) => {
          if (cut && reached === step) throw new Error("cut off")
        },
      })
      await run(
        store.commit(
          BUILD,
          ["a", "b", "c", "é", "😀"].map((key) => put(key, 1)),
          at(1),
        ),
      )
      cut = true
      const puts = [put("a", 2), put("b", undefined), put("bb", 2), put("\uffee", 2)]
      await run(Effect.exit(store.commit(BUILD, puts, at(2))))
      // As far as documents were put in place: some of them, as by a writer that died between two commands.
      await raw((client) =>
        client
          .db()
          .collection<{ _id: string }>("b1.days")
          .updateOne({ _id: "a" }, { $max: { v: { n: 3, d: "2" } } }),
      )
      const all = [
        ["a", 2],
        ["bb", 2],
        ["c", 1],
        ["é", 1],
        ["\uffee", 2],
        ["😀", 1],
      ]
      const scan = { collection: "days", from: "", to: "\u{10ffff}" }
      const first = (await reader()).query(BUILD, 3, [
        scan,
        { ...scan, limit: 2 },
        { ...scan, limit: 2, reverse: true },
        { ...scan, from: "b", to: "d" },
      ])
      const { checkpoint, rows } = await run(first)
      expect(checkpoint.position).toBe("2")
      expect(rows.map((some) => some.map(({ key, doc }) => [key, doc]))).toEqual([
        all,
        all.slice(0, 2),
        all.slice(-2).reverse(),
        all.slice(1, 3),
      ])
    }
  })

  it("what was removed is removed for good later, and what came back since stays", async () => {
    const store = await writer()
    await run(store.commit(BUILD, [put("a", 1), put("b", 1)], at(1)))
    await run(store.commit(BUILD, [put("a", undefined), put("b", undefined)], at(2)))
    await run(store.commit(BUILD, [put("b", 3)], at(3)))
    const ids = () =>
      raw(async (client) =>
        (await client.db().collection("b1.days").find().toArray()).map(({ _id }) => String(_id)),
      )
    expect(await ids()).toEqual(["a", "b"])
    await writer({ keepRemovedMs: -1 })
    await until("the removed document is gone", 5_000, async () => (await ids()).length === 1)
    expect(await ids()).toEqual(["b"])
    expect(await seen(await reader())).toEqual(["3", { b: 3 }])
  })

  it("a build that was dropped in part is dropped whole at the next start", async () => {
    const store = await writer()
    await run(store.commit(BUILD, [put("a", 1)], at(1)))
    await raw((client) => client.db().collection("heads").deleteMany({}))
    await writer()
    const left = await raw((client) => client.db().listCollections({}, { nameOnly: true }).toArray())
    expect(left.filter(({ name }) => name.startsWith("b1."))).toEqual([])
    const again = await writer()
    await run(again.commit(BUILD, [put("b", 2)], at(2)))
    expect(await seen(await reader())).toEqual(["2", { b: 2 }])
  })

  it("a document that MongoDB can't hold is named, and nothing of its commit is written", async () => {
    const store = await writer()
    const refused = await run(
      Effect.flip(store.commit(BUILD, [put("a", 1), put("big", "x".repeat(17 * 1024 * 1024))], at(1))),
    )
    expect(refused).toMatchObject({ _tag: "ReadModelsUnavailable", isFinal: true })
    expect(refused.reason).toContain('"big" of days has 17825')
    expect(await seen(await reader())).toEqual(["0", {}])
  })

  it("a server that is killed and comes back is found again", async () => {
    const [store, eyes] = [await writer({ deadlineMs: 2_000 }), await reader({ deadlineMs: 2_000 })]
    await run(store.commit(BUILD, [put("a", 1)], at(1)))
    await server.kill()
    expect(await run(Effect.flip(store.commit(BUILD, [put("a", 2)], at(2))))).toMatchObject({
      _tag: "ReadModelsUnavailable",
      isFinal: false,
    })
    expect(await run(Effect.flip(eyes.query(BUILD, 3, [everything])))).toMatchObject({
      _tag: "ReadModelsUnavailable",
    })
    await server.start()
    await until("the writer goes on", 20_000, async () =>
      Exit.isSuccess(await run(Effect.exit(store.commit(BUILD, [put("a", 2)], at(2))))),
    )
    expect(await seen(eyes)).toEqual(["2", { a: 2 }])
  })

  it("a server is found again though the driver's own look at it never ends", async () => {
    const store = await writer({ deadlineMs: 2_000 })
    await run(store.commit(BUILD, [put("a", 1)], at(1)))
    // A connection breaks, so that the driver looks whether the server is there. Just before it writes, that one breaks
    // as well: nothing drains, and nobody hears of an error.
    const broken: Array<"command" | "look"> = []
    const write = vi.spyOn(Socket.prototype, "write").mockImplementation(function (
      this: Socket,
      ...args: Parameters<typeof written>
    ) {
      const isLook = ["hello\0", "ismaster\0"].some((name) => Buffer.from(args[0]).includes(name))
      const next = ["command", "look"][broken.length]
      if (next !== (isLook ? "look" : "command")) return written.apply(this, args)
      broken.push(next)
      if (!isLook) {
        process.nextTick(() => this.destroy(new Error("cut")))
        return true
      }
      this.destroy()
      return false
    } as typeof written)
    try {
      await until("the writer goes on", 10_000, async () =>
        Exit.isSuccess(await run(Effect.exit(store.commit(BUILD, [put("a", 2)], at(2))))),
      )
      expect(broken).toEqual(["command", "look"])
    } finally {
      write.mockRestore()
    }
  })

  it("a frozen server is given up after the deadline, and used again when it goes on", async () => {
    const [store, eyes] = [await writer({ deadlineMs: 1_500 }), await reader({ deadlineMs: 1_500 })]
    await run(store.commit(BUILD, [put("a", 1)], at(1)))
    await seen(eyes)
    server.freeze()
    const began = performance.now()
    const [written, read] = await Promise.all([
      run(Effect.flip(store.commit(BUILD, [put("a", 2), put("b", 2)], at(2)))),
      run(Effect.flip(eyes.query(BUILD, 3, [everything]))),
    ])
    expect(performance.now() - began).toBeLessThan(8_000)
    expect([written.isFinal, read.isFinal]).toEqual([false, false])
    server.thaw()
    await until("the writer goes on", 20_000, async () =>
      Exit.isSuccess(await run(Effect.exit(store.commit(BUILD, [put("a", 2), put("b", 2)], at(2))))),
    )
    expect(await seen(eyes)).toEqual(["2", { a: 2, b: 2 }])
  })
})
