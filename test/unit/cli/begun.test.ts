import { describe, expect, it } from "vitest"
import type { BuildShown } from "../../../src/cli/projections/Client.js"
import { begunIn } from "../../../src/cli/projections/watch.js"

const build = (id: string, state: string, merchantId: string | null = null): BuildShown => ({
  ...{ id, merchantId, definition: "metrics@1", state, position: "1", head: "1", lagMs: 0 },
  ...{
    eventsPerSecond: 0,
    progress: 1,
    etaSeconds: 0,
    isDeployed: true,
    isCodeChanged: false,
    deadLetters: 0,
  },
  failure: null,
})

describe("the build that a command waits for", () => {
  it("is the one of all that it began, also when that serves by now and a merchant is rebuilt beside it", () => {
    const builds = [
      build("metrics-1", "STANDBY"),
      build("metrics-2", "READY", "m-1"),
      build("metrics-3", "SERVING"),
    ]
    expect(begunIn({ builds, serving: { id: "metrics-3" } }, null)).toBe("metrics-3")
    expect(begunIn({ builds, serving: { id: "metrics-3" } }, "m-1")).toBe("metrics-2")
  })

  it("is the one that failed at once, not the one that serves", () => {
    const builds = [build("metrics-1", "SERVING"), build("metrics-2", "FAILED")]
    expect(begunIn({ builds, serving: { id: "metrics-1" } }, null)).toBe("metrics-2")
  })
})
