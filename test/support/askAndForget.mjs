// Asks for much again and again, and keeps only how much it was. With --trace-gc V8 says what is alive between.
import * as Effect from "effect/Effect"
import { shareBuckets } from "../../dist/queries/SharedBuckets.js"
import { letFibersGo } from "../../dist/threads/letFibersGo.js"

letFibersGo()
const much = () => JSON.parse(JSON.stringify(Array.from({ length: 5_000 }, (_, index) => ({ index }))))
const { read } = shareBuckets({ read: () => Effect.promise(async () => ({ parts: much() })) })
const merchant = { id: "m-1", timezone: "UTC" }
const wanted = { counts: true, visitors: false, sessions: false }
const askFor = async (times) => {
  for (let i = 0; i < times; i++) {
    await Effect.runPromise(Effect.map(read(merchant, [], wanted), ({ parts }) => parts.length))
    await new Promise((resolve) => setImmediate(resolve))
  }
}
await askFor(200)
globalThis.gc()
console.log("BEGIN")
await askFor(800)
