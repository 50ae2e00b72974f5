import { MessageChannel } from "node:worker_threads"
import { afterEach, describe, expect, it } from "vitest"
import { FeedOutlet } from "../../../src/eventlog/embedded/FeedOutlet.js"
import { LiveFeed } from "../../../src/eventlog/embedded/LiveFeed.js"
import { tuningOf } from "../../../src/eventlog/embedded/Options.js"
import type { EventsMessage } from "../../../src/eventlog/embedded/Protocol.js"
import { seededRandom } from "../../support/Seed.js"
import { until } from "../../support/until.js"

const closers: Array<() => void> = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const eventsFrom = (first: number, count: number): EventsMessage => ({
  ...{ tag: "events", first, streams: ["merchant-000.m"], about: new Array(count).fill(0), metadata: ["{}"] },
  ...{ of: new Array(count).fill(0), revisions: new Array(count).fill(0), ids: new Array(count).fill("id") },
  ...{ events: new Array(count).fill("{}"), chars: 2 * count },
})

describe("the live feed of the embedded log", () => {
  it("goes on after it was full, whatever the sizes of what was handed over", {
    timeout: 30_000,
  }, async () => {
    const { random } = seededRandom("live feed")
    for (let round = 0; round < 50; round++) {
      const { port1, port2 } = new MessageChannel()
      let head = 0
      const tuning = { ...tuningOf({ directory: "" }), liveEvents: 1 + random.integer(5_000) }
      const outlet = new FeedOutlet(
        port1,
        tuning,
        () => head,
        () => {},
      )
      const feed = new LiveFeed(port2)
      closers.push(() => feed.close())
      let heard = 0
      let resumed = 0
      feed.add({ offer: ({ last }) => (heard = last), resumed: () => resumed++ })
      await until("it listens", 5_000, () => resumed === 1 && outlet.wants, 1)
      // All at once: the other end has no time to take any of it before there is too much.
      while (outlet.wants) {
        const count = 1 + random.integer(1_500)
        outlet.give(eventsFrom(head + 1, count))
        head += count
      }
      await until("it goes on", 5_000, () => resumed === 2 && outlet.wants, 1)
      expect(heard).toBe(head)
      outlet.give(eventsFrom(head + 1, 1))
      await until("the next is heard", 5_000, () => heard === head + 1, 1)
    }
  })
})
