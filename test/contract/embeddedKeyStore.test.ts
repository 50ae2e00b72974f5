import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, expect, it } from "vitest"
import * as EmbeddedKeyStore from "../../src/keystore/embedded/EmbeddedKeyStore.js"
import { keyStoreContract } from "./KeyStoreContract.js"

const made: Array<string> = []

afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true })
})

const temporary = () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-keys-"))
  made.push(directory)
  return directory
}

keyStoreContract("embedded", () => {
  const directory = temporary()
  return { open: EmbeddedKeyStore.make({ directory }) }
})

it("a forgotten key is nowhere in the files", async () => {
  const directory = temporary()
  const key = await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const store = yield* EmbeddedKeyStore.make({ directory })
        const [key] = yield* store.ensure(["a"])
        const others = yield* store.ensure(Array.from({ length: 100 }, (_, index) => `other-${index}`))
        yield* store.forget("a")
        const reader = EmbeddedKeyStore.openReader(directory)
        expect(reader.find(["a", "other-1"])).toEqual([undefined, others[1]])
        reader.close()
        for (const name of ["keys.sqlite", "keys.sqlite-wal"]) {
          expect(readFileSync(join(directory, name)).includes(key as Buffer)).toBe(false)
        }
        return key
      }),
    ),
  )
  expect(key).toHaveLength(32)
})

it("once it is closed, its files can be copied: nobody has them open any more", async () => {
  const directory = temporary()
  await Effect.runPromise(
    Effect.scoped(Effect.flatMap(EmbeddedKeyStore.make({ directory }), (store) => store.ensure(["a"]))),
  )
  expect(readdirSync(directory)).toEqual(["keys.sqlite"])
})
