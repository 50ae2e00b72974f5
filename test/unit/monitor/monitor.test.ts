import { spawnSync } from "node:child_process"
import { rmSync } from "node:fs"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Monitor, type MonitorOptions, openMonitor } from "../../../packages/monitor/src/Monitor.js"
import { outcomeOf } from "../../../packages/monitor/src/post.js"
import type { Report } from "../../../packages/monitor/src/Report.js"
import type { Request } from "../../../packages/monitor/src/requestLine.js"
import { answer, type Behaviour, cut, hang, Receiver } from "../../support/Receiver.js"
import { type Temporary, temporary } from "../../support/temporary.js"
import { until } from "../../support/until.js"

const idsIn = (body: string): ReadonlyArray<string> =>
  body
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).id)

/** As Tidemark: 202 with how many were new. */
const tidemark = (): { readonly ids: Set<string>; readonly take: Behaviour } => {
  const ids = new Set<string>()
  const take: Behaviour = (response, { body }) => {
    const before = ids.size
    const sent = idsIn(body)
    for (const id of sent) ids.add(id)
    const accepted = ids.size - before
    answer(202, { accepted, duplicates: sent.length - accepted, rejected: [] })(response, {
      ...{ path: "", headers: {}, body },
    })
  }
  return { ids, take }
}

let directory: Temporary
let receiver: Receiver
let reports: Report[]
let monitors: Monitor[]
beforeEach(async () => {
  directory = temporary()
  receiver = await new Receiver().open()
  reports = []
  monitors = []
})
afterEach(async () => {
  for (const monitor of monitors) await monitor.close(0)
  await receiver.close()
  directory.remove()
})

const open = (options: Partial<MonitorOptions> = {}): Monitor => {
  const monitor = openMonitor({
    ...{ url: receiver.url, key: "a-key", spool: directory.path },
    ...{ flushEveryMs: 5, sendEveryMs: 10, pauseMs: 50, onReport: (report) => reports.push(report) },
    ...options,
  })
  monitors.push(monitor)
  return monitor
}

const request = (change: Partial<Request> = {}): Request => ({
  ...{ at: 1_795_219_200_000, method: "GET", target: "/basket", address: "192.0.2.7", agent: "tests" },
  ...{ clientId: undefined, merchantId: undefined },
  ...change,
})

const note = (monitor: Monitor, count: number, change: Partial<Request> = {}): void => {
  for (let left = count; left > 0; left--) monitor.note(request(change))
}

describe("a monitor", () => {
  it("sends what it noted as NDJSON, each request once, in batches", async () => {
    const { ids, take } = tidemark()
    receiver.behave(take)
    const monitor = open({ sendEveryMs: 100 })
    note(monitor, 1_000)
    await until("sent", 10_000, () => monitor.counters().accepted === 1_000)
    expect(ids.size).toBe(1_000)
    expect(receiver.received.length).toBeLessThan(5)
    expect(receiver.received[0]?.headers.authorization).toBe("Bearer a-key")
    expect(receiver.received[0]?.headers["content-type"]).toBe("application/x-ndjson")
    expect(monitor.counters()).toMatchObject({ noted: 1_000, spooled: 1_000, dropped: 0, waitingBytes: 0 })
    expect(reports).toEqual([])
  })

  it("repeats what was not answered well, until it is, and nothing counts twice", async () => {
    const { ids, take } = tidemark()
    // The second batch is taken, but the answer is lost.
    const lost: Behaviour = (response, received) => {
      for (const id of idsIn(received.body)) ids.add(id)
      response.socket?.destroy()
    }
    receiver.behave(cut, lost, answer(503, {}, { "retry-after": "0" }), hang, answer(500, "oops"), take)
    const monitor = open({ timeoutMs: 300 })
    note(monitor, 1_000)
    await until("sent", 20_000, () => monitor.counters().waitingBytes === 0 && ids.size === 1_000)
    const { accepted, duplicates, failures } = monitor.counters()
    expect(accepted + duplicates).toBe(1_000)
    expect(duplicates).toBeGreaterThan(0)
    expect(failures).toBe(5)
    await until("said", 10_000, () => reports.length > 1)
    expect(reports.map(({ kind }) => kind)).toEqual(["away", "back"])
  })

  it("keeps everything while nobody answers, and sends it in order afterwards", async () => {
    const { ids, take } = tidemark()
    receiver.behave(take)
    await receiver.close()
    const monitor = open()
    for (let number = 0; number < 50; number++) {
      note(monitor, 100)
      await monitor.flush()
    }
    await until("tried", 10_000, () => monitor.counters().failures > 0)
    expect(monitor.counters()).toMatchObject({ noted: 5_000, spooled: 5_000, dropped: 0 })
    await receiver.open()
    await until("sent", 20_000, () => monitor.counters().accepted === 5_000)
    const numbers = [...ids].map((id) => Number.parseInt(id.slice(id.lastIndexOf("-") + 1), 36))
    expect(numbers).toEqual(Array.from({ length: 5_000 }, (_, index) => index + 1))
  })

  it("leaves to the next process what it could not send", async () => {
    const { ids, take } = tidemark()
    receiver.behave(answer(503))
    const before = open()
    note(before, 700)
    await before.close(50)
    expect(before.counters()).toMatchObject({ spooled: 700, accepted: 0 })
    receiver.behave(take)
    const after = open()
    note(after, 1)
    await until("sent", 10_000, () => after.counters().accepted === 701)
    expect(ids.size).toBe(701)
  })

  it("waits while its key is refused, says so once, and goes on when that is put right", async () => {
    const { take } = tidemark()
    receiver.behave(answer(401, { error: { code: "UNAUTHENTICATED" } }))
    const monitor = open()
    note(monitor, 10)
    await until("tried again", 10_000, () => monitor.counters().failures > 2)
    expect(reports.map(({ kind }) => kind)).toEqual(["refused"])
    expect(reports[0]?.message).toContain("401")
    receiver.behave(take)
    await until("sent", 10_000, () => monitor.counters().accepted === 10)
  })

  it("counts and says what Tidemark rejects of a batch", async () => {
    const rejected = [{ index: 0, code: "INVALID_IP", message: "ip must be an address." }]
    receiver.behave(answer(202, { accepted: 1, duplicates: 0, rejected }))
    const monitor = open()
    note(monitor, 2)
    await until("sent", 10_000, () => monitor.counters().rejected === 1)
    expect(reports).toEqual([
      { kind: "rejected", message: expect.stringContaining("INVALID_IP: ip must be an address.") },
    ])
  })

  it("sends smaller batches where a batch is too large, and gives up a single line that is", async () => {
    const { ids, take } = tidemark()
    const monitor = open()
    receiver.behave((response, received) =>
      (received.body.length > 2_000 ? answer(413, "too large") : take)(response, received),
    )
    note(monitor, 100)
    note(monitor, 1, { clientId: "c".repeat(3_000) })
    note(monitor, 10)
    await until("sent", 20_000, () => monitor.counters().waitingBytes === 0 && ids.size === 110)
    expect(monitor.counters()).toMatchObject({ accepted: 110, rejected: 1 })
  })

  it("counts and says what it drops when the spool is full, and takes requests again when it is not", async () => {
    receiver.behave(answer(503))
    const monitor = open({ spoolBytes: 1024 * 1024 })
    while (monitor.counters().dropped === 0) {
      note(monitor, 500)
      await monitor.flush()
    }
    const { noted, spooled, dropped } = monitor.counters()
    expect(spooled + dropped).toBe(noted)
    await monitor.flush()
    note(monitor, 1)
    await until("said", 10_000, () => reports.some(({ kind }) => kind === "dropped"))
    const { ids, take } = tidemark()
    receiver.behave(take)
    await until("sent", 20_000, () => ids.size === monitor.counters().spooled)
    note(monitor, 5)
    await until("taken again", 10_000, () => ids.size >= spooled + 5)
  })

  it("counts and says what it drops when memory is full", async () => {
    receiver.behave(tidemark().take)
    const monitor = open({ memoryBytes: 256 * 1024 })
    // In one turn nothing can be written.
    note(monitor, 10_000)
    const { noted, dropped } = monitor.counters()
    expect(noted).toBe(10_000)
    expect(dropped).toBeGreaterThan(5_000)
    await until("sent", 10_000, () => monitor.counters().accepted + dropped === 10_000)
    expect(reports.filter(({ kind }) => kind === "dropped")).toHaveLength(1)
  })

  it("says every drop in the end, however fast they came", async () => {
    receiver.behave(answer(503))
    const monitor = open({ memoryBytes: 256 * 1024 })
    note(monitor, 10_000)
    await monitor.flush()
    note(monitor, 10_000)
    await monitor.close(0)
    const said = reports
      .filter(({ kind }) => kind === "dropped")
      .map(({ message }) => Number(/(\d+) in all/.exec(message)?.[1]))
    expect(said.at(-1)).toBe(monitor.counters().dropped)
  })

  it("drops a line that no batch could hold", async () => {
    const monitor = open()
    note(monitor, 1, { clientId: "c".repeat(40_000) })
    expect(monitor.counters()).toMatchObject({ noted: 1, dropped: 1 })
  })

  it("drops a request that can't be written, says so, and keeps those noted with it", async () => {
    const { ids, take } = tidemark()
    receiver.behave(take)
    const monitor = open()
    note(monitor, 5)
    note(monitor, 2, { target: new URL("http://127.0.0.1/") as unknown as string })
    note(monitor, 5)
    expect(monitor.counters()).toMatchObject({ noted: 12, dropped: 2 })
    await until("sent", 10_000, () => monitor.counters().accepted === 10)
    expect(ids.size).toBe(10)
    expect(reports.filter(({ kind }) => kind === "option")).toHaveLength(1)
  })

  it.each([
    ["paths and agents", 20, { target: `/${"p".repeat(2_000)}`, agent: "a".repeat(2_000) }],
    ["client ids", 4, { clientId: "c".repeat(15_000) }],
  ])("begins to write long %s before memory is full of them", async (_, count, long) => {
    receiver.behave(tidemark().take)
    const monitor = open({ memoryBytes: 256 * 1024, flushEveryMs: 1_000 })
    // What memory takes of them when the half that is full is on its way to the disk.
    note(monitor, count, long)
    note(monitor, count, long)
    await monitor.flush()
    expect(monitor.counters()).toMatchObject({ spooled: 2 * count, dropped: 0 })
  })

  it.each(["process.exit(0)", "throw new Error('of the application')", ""])(
    "loses nothing when the process ends by itself: %s",
    async (end) => {
      const { ids, take } = tidemark()
      receiver.behave(take)
      const built = new URL("../../../packages/monitor/dist/index.js", import.meta.url)
      const script = `
        import { openMonitor } from ${JSON.stringify(built.href)}
        const monitor = openMonitor(${JSON.stringify({ url: receiver.url, key: "k", spool: directory.path })})
        for (let left = 500; left > 0; left--) monitor.note({ at: Date.now(), target: "/" })
        ${end}`
      spawnSync(process.execPath, ["--input-type=module", "-e", script])
      const monitor = open()
      await until("sent", 10_000, () => monitor.counters().accepted === 500)
      expect(ids.size).toBe(500)
    },
  )

  it("is not stopped by a report that throws", async () => {
    const { take } = tidemark()
    receiver.behave(cut, take)
    const monitor = open({
      onReport: () => {
        throw new Error("of the application")
      },
    })
    note(monitor, 10)
    await until("sent", 10_000, () => monitor.counters().accepted === 10)
  })

  it("refuses options that make no sense", () => {
    expect(() => open({ flushEveryMs: 5_000 })).toThrow("flushEveryMs is 5000: it must be from 1 to 1000")
    expect(() => open({ url: "tidemark" })).toThrow('"tidemark" is not an address')
    expect(() => open({ url: "ftp://tidemark" })).toThrow("is not an address")
    rmSync(directory.path, { recursive: true })
    expect(() => open({ spool: "/dev/null/spool" })).toThrow()
  })
})

describe("an answer", () => {
  it("says whether the batch is to be sent again", () => {
    const taken = { accepted: 1, duplicates: 0, rejected: [] }
    expect(outcomeOf(202, undefined, JSON.stringify(taken))).toEqual({ _tag: "Taken", ...taken })
    // 400 with counts: no event of it was valid. 400 without: something else answered.
    expect(outcomeOf(400, undefined, JSON.stringify(taken))._tag).toBe("Taken")
    expect(outcomeOf(400, undefined, "<html>")._tag).toBe("Refused")
    expect(outcomeOf(202, undefined, "<html>")._tag).toBe("Refused")
    expect(outcomeOf(403, undefined, "")._tag).toBe("Refused")
    expect(outcomeOf(413, undefined, "")._tag).toBe("TooLarge")
    expect(outcomeOf(408, undefined, "")._tag).toBe("Away")
    expect(outcomeOf(503, undefined, "")).toEqual({ _tag: "Away", reason: "503" })
    expect(outcomeOf(429, "7", "")).toEqual({ _tag: "Away", reason: "429", waitMs: 7_000 })
  })
})
