import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import { admin, event, start, temporary } from "./harness.js"

it("with a log that never answers the end still comes, and everyone who waits is answered", async () => {
  const running = await start(temporary(), {
    tuning: { drainMs: 1_000 },
    wrap: (log) => ({ ...log, append: () => Effect.never }),
  })
  const answers: Array<string> = []
  for (let index = 0; index < 300; index++) {
    running.recorder.record([event(`m-${index}`, "a")], admin, (result) => answers.push(result._tag))
  }
  const begun = performance.now()
  await running.close()
  expect(performance.now() - begun).toBeLessThan(10_000)
  expect(answers).toEqual(Array(300).fill("Unavailable"))
})
