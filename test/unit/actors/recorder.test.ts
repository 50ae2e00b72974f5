import { expect, it } from "vitest"
import { event, start, tags, temporary } from "./harness.js"

it("starts, records, and closes", async () => {
  const t0 = performance.now()
  const running = await start(temporary())
  console.log("ready after", performance.now() - t0)
  const result = await running.record([
    event("m-1", "a", { clientId: "c" }),
    event("m-1", "a"),
    event("m-2", "a"),
  ])
  expect(tags(result)).toEqual(["Accepted", "Duplicate", "Accepted"])
  console.log((await running.all()).map((e) => [e.position, e.stream, e.revision, e.event.type]))
  const t1 = performance.now()
  await running.close()
  console.log("closed after", performance.now() - t1)
})
