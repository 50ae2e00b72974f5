import { type Client, createClient } from "graphql-ws"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import WebSocket from "ws"
import { runCommand } from "../support/Command.js"
import { until } from "../support/until.js"
import { ADMIN_KEY, World } from "../unit/queries/world.js"

let world: World
beforeAll(async () => {
  world = await World.open({ tuning: { lookEveryMs: 20, graceMs: 0 } })
  await world.send(...Array.from({ length: 200 }, (_, i) => ({ merchantId: "m", clientId: `c-${i % 9}` })))
})
afterAll(() => world.close())

const SHOWN = `projection { name paused pausedBy { by what } lastCommand { by what }
  serving { id state isDeployed isCodeChanged made { by what } promoted { by } replaced { by } failure }
  building { id state progress } builds { id state } } userErrors { code message path }`

const mutate = async (mutation: string) =>
  (await world.ask(`mutation { done: ${mutation} { ${SHOWN} } }`)).done

const untilReady = () =>
  until("READY", 10_000, async () => {
    const { projection } = await world.ask('{ projection(name: "metrics") { building { state } } }')
    return projection.building?.state === "READY"
  })

describe("managing projections", () => {
  it("is for administrators alone", async () => {
    const { createApiKey } = await world.ask('mutation { createApiKey(input: { merchantId: "m" }) { key } }')
    const commands = [
      "rebuildProjection",
      "cancelRebuild",
      "resetProjection",
      "pauseProjection",
      "resumeProjection",
    ]
    for (const one of commands) {
      const mutation = `mutation { ${one}(name: "metrics") { userErrors { code } } }`
      expect(await world.refusal(mutation, {}, createApiKey.key)).toBe("FORBIDDEN")
    }
    const others = [
      'mutation { promoteProjection(name: "metrics", build: "a", expectedServing: "b") { userErrors { code } } }',
      'mutation { rollbackProjection(name: "metrics", expectedServing: "b") { userErrors { code } } }',
      'mutation { dropProjectionBuild(name: "metrics", build: "b") { userErrors { code } } }',
      '{ projectionComparison(name: "metrics") { equal } }',
    ]
    for (const one of others) expect(await world.refusal(one, {}, createApiKey.key)).toBe("FORBIDDEN")
    expect((await world.ask('{ projection(name: "metrics") { lastCommand { by } } }')).projection).toEqual({
      lastCommand: null,
    })
  })

  it("rebuilds, promotes and rolls back, says who did what, and which build an answer comes from", async () => {
    const begun = await mutate('rebuildProjection(name: "metrics")')
    expect(begun).toMatchObject({
      projection: {
        serving: { id: "metrics-1", state: "SERVING", isDeployed: true, isCodeChanged: false },
        building: { id: "metrics-2" },
        lastCommand: { by: "admin", what: "began to rebuild metrics" },
      },
      userErrors: [],
    })
    await untilReady()
    const switched = await mutate(
      'promoteProjection(name: "metrics", build: "metrics-2", expectedServing: "metrics-1")',
    )
    expect(switched.projection).toMatchObject({
      serving: { id: "metrics-2", promoted: { by: "admin" } },
      building: null,
      builds: [{ id: "metrics-1", state: "STANDBY" }, { id: "metrics-2" }],
    })
    const range = { from: "2020-01-01T00:00:00Z", to: "2100-01-01T00:00:00Z" }
    const ask = async () =>
      (
        await world.ask(
          'query ($range: TimeRange!) { merchant(id: "m") { totals(range: $range) { values { value } asOf { build } } } }',
          { range },
        )
      ).merchant.totals
    const after = await ask()
    expect(after.asOf.build).toBe("metrics-2")
    await mutate('rollbackProjection(name: "metrics", expectedServing: "metrics-2")')
    expect(await ask()).toEqual({ ...after, asOf: { build: "metrics-1" } })
  })

  it("tells the one who comes too late who was faster", async () => {
    const late = await mutate('rollbackProjection(name: "metrics", expectedServing: "metrics-2")')
    expect(late.userErrors[0]).toMatchObject({ code: "CONFLICT" })
    expect(late.userErrors[0].message).toContain("metrics-1 serves (admin rolled back to metrics-1 at ")
    expect(late.projection.serving.id).toBe("metrics-1")
  })

  it("says of a projection that does not exist that it does not", async () => {
    const nothing = await mutate('pauseProjection(name: "nothing")')
    expect(nothing).toMatchObject({ projection: null, userErrors: [{ code: "PROJECTION_UNKNOWN" }] })
  })

  it("pushes the progress of a rebuild", async () => {
    const client: Client = createClient({
      url: world.url.replace("http", "ws"),
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${ADMIN_KEY}` },
      retryAttempts: 0,
    })
    const messages: Array<{ id: string; state: string; progress: number }> = []
    const failures: Array<unknown> = []
    client.subscribe<{ projectionProgress: { id: string; state: string; progress: number } }>(
      { query: 'subscription { projectionProgress(name: "metrics") { id state progress } }' },
      {
        next: ({ data, errors }) => {
          if (data) messages.push(data.projectionProgress)
          failures.push(...(errors ?? []))
        },
        error: (error) => failures.push(error),
        complete: () => {},
      },
    )
    await until("the serving build at once", 5_000, () => messages.length > 0)
    expect(messages[0]).toMatchObject({ id: "metrics-1", state: "SERVING" })
    await mutate('resetProjection(name: "metrics")')
    await until(
      "the new one serves",
      10_000,
      () => messages.at(-1)?.id === "metrics-3" && messages.at(-1)?.state === "SERVING",
    )
    expect(messages.at(-1)?.progress).toBe(1)
    expect(failures).toEqual([])
    client.dispose()
  })

  it("is done from the command line as well", { timeout: 60_000 }, async () => {
    const url = world.url.replace("/graphql", "")
    const tidemark = async (...args: ReadonlyArray<string>) =>
      runCommand(world.directory, ["projections", ...args, "--url", url, "--key", ADMIN_KEY])
    const listed = await tidemark("list")
    expect(listed).toMatchObject({ code: 0 })
    expect(listed.stdout).toContain("metrics-3  metrics@")
    const rebuilt = await tidemark("rebuild", "metrics", "--json")
    expect(JSON.parse(rebuilt.stdout)).toMatchObject({ name: "metrics", building: { id: "metrics-4" } })
    const compared = await tidemark("compare", "metrics")
    expect(compared).toMatchObject({ code: 0 })
    expect(compared.stdout).toContain("all equal")
    expect((await tidemark("promote", "metrics", "metrics-4")).code).toBe(0)
    expect((await tidemark("rollback", "metrics", "--expected-serving", "metrics-3")).code).toBe(2)
    expect((await tidemark("rollback", "metrics")).code).toBe(0)
    expect((await tidemark("drop", "metrics", "metrics-4")).code).toBe(0)
    const paused = await tidemark("pause", "metrics")
    expect(paused.stdout).toContain("metrics, paused by admin at ")
    expect((await tidemark("resume", "metrics")).code).toBe(0)
    const wrong = await tidemark("cancel", "metrics")
    expect(wrong).toMatchObject({ code: 2 })
    expect(wrong.stderr).toContain("no build of metrics is being built")
    // 1 would say that the builds differ.
    for (const mistake of [["--first", "x"], ["--nope"], ["metrics"]]) {
      expect(await tidemark("compare", "metrics", ...mistake)).toMatchObject({ code: 2 })
    }
    expect((await tidemark("compare", "--help")).code).toBe(0)
  })
})
