import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as EmbeddedKeyStore from "../../src/keystore/embedded/EmbeddedKeyStore.js"
import * as MongoKeyStore from "../../src/keystore/mongodb/MongoKeyStore.js"
import { moveKeys } from "../../src/keystore/mongodb/MovedKeys.js"
import { dropDatabase, hasMongo, mongoForTests, redacted } from "../support/MongoServer.js"
import { temporary } from "../support/temporary.js"
import { keyStoreContract } from "./KeyStoreContract.js"

describe.skipIf(!hasMongo)("keys in MongoDB", () => {
  const mongo = mongoForTests()
  const databases: Array<string> = []
  const database = () => {
    const url = mongo.database()
    databases.push(url)
    return url
  }
  beforeAll(mongo.start)
  afterAll(async () => {
    for (const url of databases) await dropDatabase(url)
    await mongo.close()
  })

  keyStoreContract("MongoDB", () => {
    const url = redacted(database())
    return { open: MongoKeyStore.make({ url }) }
  })

  it("are those that embedded stores have left: they are moved, and the forgotten stay forgotten", async () => {
    const directory = temporary()
    const clients = Array.from({ length: 2_500 }, (_, index) => `c-${index}`)
    const all = [...clients, "forgotten"]
    const before = await Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(EmbeddedKeyStore.make({ directory: directory.path }), (store) =>
          Effect.zipRight(Effect.zipRight(store.ensure(all), store.forget("forgotten")), store.ensure(all)),
        ),
      ),
    )
    let moved = 0
    const after = await Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(
          MongoKeyStore.make({
            url: redacted(database()),
            onOpen: async (keys) => {
              // As a program would leave it that was killed in the midst.
              await keys.insert(new Map([[clients[7] as string, before[7] as Buffer]]))
              moved = await moveKeys(directory.path, keys)
            },
          }),
          (store) => store.ensure(all),
        ),
      ),
    )
    expect(moved).toBe(all.length)
    expect(after).toEqual(before)
    expect(await moveKeys(directory.path, undefined as never)).toBe(0)
    directory.remove()
  })

  it("of another log are not mixed with these", async () => {
    const directory = temporary()
    const open = EmbeddedKeyStore.make({ directory: directory.path })
    await Effect.runPromise(Effect.scoped(Effect.flatMap(open, (store) => store.ensure(["a"]))))
    const refused = await Effect.runPromise(
      Effect.flip(
        Effect.scoped(
          MongoKeyStore.make({
            url: redacted(database()),
            onOpen: async (keys) => {
              await keys.ensure(["a"])
              await moveKeys(directory.path, keys)
            },
          }),
        ),
      ),
    )
    expect(refused.message).toContain("belongs to another log")
    const kept = EmbeddedKeyStore.openReader(directory.path)
    expect(kept.find(["a"])[0]).toHaveLength(32)
    kept.close()
    directory.remove()
  })
})
