import * as Fiber from "effect/Fiber"
import { globalValue } from "effect/GlobalValue"

/** Where a fiber stands among those that run. */
const PLACE = Symbol("tidemark/place")

interface Placed {
  [PLACE]?: number | undefined
}

/** As much of a `Set` as Effect uses of the one that holds the running fibers without a parent. */
class RunningFibers {
  private readonly fibers: Array<Placed> = []

  add(fiber: Placed): this {
    if (fiber[PLACE] !== undefined) return this
    fiber[PLACE] = this.fibers.length
    this.fibers.push(fiber)
    return this
  }

  delete(fiber: Placed): boolean {
    const place = fiber[PLACE]
    if (place === undefined) return false
    fiber[PLACE] = undefined
    const last = this.fibers.pop() as Placed
    if (last !== fiber) {
      this.fibers[place] = last
      last[PLACE] = place
    }
    return true
  }

  [Symbol.iterator](): Iterator<Placed> {
    return this.fibers[Symbol.iterator]()
  }
}

interface FiberScope {
  roots: Iterable<Placed>
}

/**
 * Effect keeps the running fibers without a parent in a `Set`, which is made anew every few fibers: what ran then was
 * kept with all that it answered until the next full collection (decision 0034). Here they stand in an array.
 * `Fiber.roots` gives them as before. To be called once in a thread that answers many questions.
 */
export const letFibersGo = (): void => {
  // Made when the module with the fibers is loaded.
  Fiber.unsafeRoots()
  const scope = globalValue<FiberScope>(Symbol.for("effect/FiberScope/Global"), () => {
    throw new Error("this version of effect keeps its running fibers elsewhere")
  })
  if (scope.roots instanceof RunningFibers) return
  const running = new RunningFibers()
  for (const fiber of scope.roots) running.add(fiber)
  scope.roots = running
}
