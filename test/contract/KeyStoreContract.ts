import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import type { KeyStoreService, KeyStoreUnavailable } from "../../src/keystore/KeyStore.js"

/** Opens the same store again and again: what one opening wrote the next one finds. */
export interface KeyStoreHarness {
  readonly open: Effect.Effect<KeyStoreService, KeyStoreUnavailable, Scope.Scope>
}

export const keyStoreContract = (name: string, make: () => KeyStoreHarness) => {
  const using = <A>(
    harness: KeyStoreHarness,
    use: (store: KeyStoreService) => Effect.Effect<A, KeyStoreUnavailable>,
  ): Promise<A> => Effect.runPromise(Effect.scoped(Effect.flatMap(harness.open, use)))

  describe(`key store: ${name}`, () => {
    it("makes a key of 32 bytes once and gives the same one ever after", async () => {
      const harness = make()
      const [first, second] = await using(harness, (store) =>
        Effect.all([store.ensure(["a", "b", "a"]), store.ensure(["b"])]),
      )
      expect(first[0]).toHaveLength(32)
      expect(first[0]).toEqual(first[2])
      expect(first[0]).not.toEqual(first[1])
      expect(second[0]).toEqual(first[1])
      expect(await using(harness, (store) => store.find(["b", "a"]))).toEqual([first[1], first[0]])
    })

    it("finds nothing where nothing was made, and makes nothing by looking", async () => {
      const harness = make()
      expect(await using(harness, (store) => store.find(["a"]))).toEqual([undefined])
      expect(await using(harness, (store) => store.find(["a"]))).toEqual([undefined])
    })

    it("never makes a new key for a forgotten client", async () => {
      const harness = make()
      await using(harness, (store) => store.ensure(["a", "b"]))
      await using(harness, (store) => Effect.all([store.forget("a"), store.forget("never-seen")]))
      const keys = await using(harness, (store) => store.ensure(["a", "never-seen", "b"]))
      expect(keys.map((key) => key !== undefined)).toEqual([false, false, true])
    })

    it("gives many that ask at once for the same client one key", async () => {
      const harness = make()
      const keys = await using(harness, (store) =>
        Effect.all(
          Array.from({ length: 200 }, (_, index) => store.ensure([`c${index % 10}`])),
          { concurrency: "unbounded" },
        ),
      )
      expect(new Set(keys.map((key) => key[0]?.toString("hex"))).size).toBe(10)
    })
  })
}
