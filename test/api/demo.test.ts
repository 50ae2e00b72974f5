import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runCommand, startCommand } from "../support/Command.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"

describe("tidemark demo", () => {
  const directory = temporaryDirectory()
  const tidemark = new TidemarkProcess(directory.path)
  beforeAll(() => tidemark.start())
  afterAll(async () => {
    await tidemark.stop()
    directory.remove()
  })

  const demo = (...more: ReadonlyArray<string>) => ["demo", "--url", tidemark.url, "--shops", "2", ...more]
  const countsOf = (stdout: string) => {
    const match = /(\d+) events are new, (\d+) were there/.exec(stdout)
    return { fresh: Number(match?.[1]), known: Number(match?.[2]) }
  }

  it("makes shops with settings, sends history and live visits, and doubles no history when run again", async () => {
    const first = await runCommand(directory.path, demo("--history", "2", "--duration", "3", "--rate", "50"))
    expect([first.code, first.stderr]).toEqual([0, ""])
    const { fresh, known } = countsOf(first.stdout)
    expect(fresh).toBeGreaterThan(1_000)
    expect(known).toBe(0)
    expect(Number(/(\d+) live events were sent/.exec(first.stdout)?.[1])).toBeGreaterThan(50)
    const { merchant } = await tidemark.graphql(
      '{ merchant(id: "demo-kyoto-tea") { name timezone currency businessType } }',
    )
    expect(merchant).toEqual({
      ...{ name: "Kyoto Tea House", timezone: "Asia/Tokyo", currency: "JPY", businessType: "tea" },
    })
    const second = await runCommand(directory.path, demo("--history", "2", "--duration", "0"))
    expect(second.stdout).toMatch(/found {2}demo-kyoto-tea/)
    const again = countsOf(second.stdout)
    expect(again.known).toBe(fresh)
    // What has happened in the meantime is new.
    expect(again.fresh).toBeLessThan(fresh / 10)
  })

  it("goes on until it is stopped", async () => {
    const { child, ended } = startCommand(directory.path, demo("--history", "0"))
    child.stdout?.on("data", (text: string) => {
      if (text.includes("Ctrl-C")) child.kill("SIGINT")
    })
    const { code, stdout } = await ended
    expect([code, stdout]).toEqual([0, expect.stringMatching(/live events were sent|Stopped/)])
  })

  it("says what is wrong when there is no server, or the key is not valid", async () => {
    const nobody = await runCommand(directory.path, ["demo", "--url", "http://127.0.0.1:9"])
    expect([nobody.code, nobody.stderr]).toEqual([2, expect.stringMatching(/Is Tidemark running\?/)])
    const refused = await runCommand(directory.path, demo("--key", "wrong"))
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/the key is not valid/)])
  })
})
