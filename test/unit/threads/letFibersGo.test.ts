import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { beforeAll, expect, it } from "vitest"
import { letFibersGo } from "../../../src/threads/letFibersGo.js"

const before = Effect.runFork(Effect.never)
beforeAll(() => letFibersGo())

const end = (fiber: Fiber.RuntimeFiber<unknown>) => Effect.runPromise(Fiber.interrupt(fiber))

it("running fibers are known as before, those too that ran already, and ended ones are not", async () => {
  const fibers = Array.from({ length: 10 }, () => Effect.runFork(Effect.never))
  expect(Fiber.unsafeRoots()).toEqual([before, ...fibers])
  const ended = fibers.filter((_, index) => index % 3 === 0)
  await Promise.all([before, ...ended].map(end))
  expect(new Set(Fiber.unsafeRoots())).toEqual(new Set(fibers.filter((fiber) => !ended.includes(fiber))))
  await Promise.all(fibers.map(end))
  expect(Fiber.unsafeRoots()).toEqual([])
})

it("may be called again", async () => {
  const fiber = Effect.runFork(Effect.never)
  letFibersGo()
  expect(Fiber.unsafeRoots()).toEqual([fiber])
  await end(fiber)
  expect(Fiber.unsafeRoots()).toEqual([])
})
