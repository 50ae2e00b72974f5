import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runCommand, startCommand, summaryOf } from "../support/Command.js"
import { realFile } from "../support/realFile.js"
import { storedEvents } from "../support/storedEvents.js"
import { projectRoot, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const { path: file, missing } = realFile("payments.csv")

/** What `fares.py` computes from the file, sharing no code with Tidemark. */
interface Expected {
  readonly rows: number
  readonly events: Readonly<
    Record<
      string,
      {
        readonly merchantId: string
        readonly at: number
        readonly amount: number
        readonly paymentMethod: string | null
      }
    >
  >
  readonly unreadable: Readonly<Record<string, string>>
}

const mapping = [
  ...["--set", "type=payment", "--map", "merchantId=company:slug"],
  ...["--map", "timestamp=trip_start_timestamp:seconds", "--map", "amount=fare:major"],
  ...["--set", "currency=USD", "--map", "paymentMethod=payment_type"],
]

describe.skipIf(missing)("payments.csv, imported and read back", () => {
  const directory = temporaryDirectory()
  const dataDir = join(directory.path, "data")
  // Each append takes long enough for an import to be caught in the middle.
  const tidemark = new TidemarkProcess(dataDir, { TIDEMARK_FAULT_LOG_SLOWDOWN_MS: "20" })
  const rejects = join(directory.path, "rejects.csv")
  let expected: Expected

  const command = (...more: ReadonlyArray<string>) => [
    ...["import", "csv", file, "--url", tidemark.url, "--json", ...more],
  ]

  beforeAll(async () => {
    const script = join(projectRoot, "test/independent/fares.py")
    const output = execFileSync("python3", [script, file], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 })
    expected = JSON.parse(output)
    await tidemark.start()
  })
  afterAll(async () => {
    await tidemark.stop()
    directory.remove()
  })

  const payments = () => Object.keys(expected.events).length

  /** Payments and volume of each merchant over all years. */
  const read = async (position: string) => {
    const range = { from: "2013-01-01T00:00:00Z", to: "2018-01-01T00:00:00Z" }
    const merchants = new Set(Object.values(expected.events).map(({ merchantId }) => merchantId))
    const found = [...merchants].map(async (id) => {
      const series = (metric: string) =>
        `series(metric: ${metric}, interval: MONTH, range: $range, atLeast: $at) { points { value } }`
      await until(`${id} is to be seen`, 30_000, async () => {
        return (
          (await tidemark.graphql("query ($id: ID!) { merchant(id: $id) { id } }", { id })).merchant !== null
        )
      })
      const { merchant } = await tidemark.graphql(
        `query ($id: ID!, $range: TimeRange!, $at: Position!) { merchant(id: $id) {
          payments: ${series("PAYMENTS")} volume: ${series("GROSS_VOLUME")} } }`,
        { id, range, at: position },
      )
      const sum = ({ points }: { readonly points: ReadonlyArray<{ readonly value: number | null }> }) =>
        points.reduce((all, { value }) => all + (value ?? 0), 0)
      return [id, { payments: sum(merchant.payments), volume: sum(merchant.volume) }] as const
    })
    return Object.fromEntries(await Promise.all(found))
  }

  const expectedTotals = () => {
    const totals: Record<string, { payments: number; volume: number }> = {}
    for (const { merchantId, amount } of Object.values(expected.events)) {
      const before = totals[merchantId] ?? { payments: 0, volume: 0 }
      totals[merchantId] = { payments: before.payments + 1, volume: before.volume + amount }
    }
    return totals
  }

  const position = async (): Promise<string> =>
    (await tidemark.send([{ type: "probe", merchantId: "probe" }])).body.position

  it("killed in the middle and run again, gives the payments that an independent script computes", async () => {
    const { child, ended } = startCommand(dataDir, command(...mapping, "--rejects", rejects))
    const states = join(dataDir, "imports")
    // What is still being written has another ending.
    const isKept = () => existsSync(states) && readdirSync(states).some((name) => name.endsWith(".json"))
    await until("some of it is done", 30_000, isKept)
    child.kill("SIGKILL")
    expect((await ended).signal).toBe("SIGKILL")
    const second = await runCommand(dataDir, command(...mapping, "--rejects", rejects))
    expect(second.stderr).toMatch(/Going on at line \d+/)
    const summary = summaryOf(second)
    expect(summary).toMatchObject({
      ...{ rows: expected.rows, unreadable: Object.keys(expected.unreadable).length },
      ...{ sent: payments(), rejected: 0 },
    })
    expect(summary.accepted + summary.duplicates).toBe(payments())
    expect(await read(await position())).toEqual(expectedTotals())
  })

  it("imported again, nothing changes, and every row that gave nothing is written down with its reason", async () => {
    const again = await runCommand(dataDir, command(...mapping, "--rejects", rejects))
    expect(summaryOf(again)).toMatchObject({ sent: payments(), accepted: 0, duplicates: payments() })
    expect(await read(await position())).toEqual(expectedTotals())
    const [header, ...rows] = readFileSync(rejects, "utf8").trimEnd().split("\n")
    const lines = readFileSync(file, "utf8").split("\n")
    expect(header).toBe(`line,offset,reason,${lines[0]}`)
    const found = rows.map(
      (row) => /^(\d+),\d+,([^,]*),(.*)$/.exec(row)?.slice(1) as [string, string, string],
    )
    expect(Object.fromEntries(found.map(([line, reason]) => [line, reason]))).toEqual(expected.unreadable)
    for (const [line, , row] of found) expect(row).toBe(lines[Number(line) - 1])
  })

  it("stores each payment with the row's time, amount, method and merchant, under the row's offset", async () => {
    await tidemark.stop()
    const stored = (await storedEvents(dataDir)).filter(({ type }) => type === "payment")
    expect(stored).toHaveLength(payments())
    const found = stored.map(({ at, data: { id, merchantId, amount, paymentMethod = null, currency } }) => {
      expect(currency).toBe("USD")
      return [id, { merchantId, at, amount, paymentMethod }]
    })
    expect(Object.fromEntries(found)).toEqual(expected.events)
    await tidemark.start()
  })
})

describe("importing CSV", () => {
  const directory = temporaryDirectory()
  const dataDir = join(directory.path, "data")
  const tidemark = new TidemarkProcess(dataDir)
  beforeAll(() => tidemark.start())
  afterAll(async () => {
    await tidemark.stop()
    directory.remove()
  })

  const fileWith = (name: string, content: string): string => {
    const path = join(directory.path, name)
    writeFileSync(path, content)
    return path
  }
  const importing = (path: string, ...more: ReadonlyArray<string>) =>
    runCommand(dataDir, ["import", "csv", path, "--url", tidemark.url, "--json", ...more])

  it("reports rows that the server refuses with their lines, and keeps them", async () => {
    const path = fileWith(
      "a.csv",
      'when;who;ip\n2026-01-01T00:00:00Z;"a\nb";192.0.2.1\n2026-01-01T00:00:00Z;c;nowhere\n',
    )
    const rejects = join(directory.path, "a.rejects.csv")
    const ended = await importing(
      path,
      ...["--delimiter", ";", "--merchant", "shop", "--set", "type=visit", "--map", "timestamp=when:iso"],
      ...["--map", "clientId=who", "--map", "ip=ip", "--rejects", rejects, "--strict"],
    )
    expect(ended.code).toBe(1)
    expect(JSON.parse(ended.stdout)).toMatchObject({ rows: 2, sent: 2, accepted: 1, rejected: 1 })
    expect(ended.stderr).toMatch(/line 4 \(byte 49\): INVALID_IP/)
    expect(readFileSync(rejects, "utf8")).toMatch(
      /^line,offset,reason,when,who,ip\n4,49,INVALID_IP.*nowhere\n$/,
    )
  })

  it("--dry-run shows events and what the server would refuse, and sends nothing", async () => {
    const path = fileWith("b.csv", "t,m\n1700000000,dry\n,dry\n99999999999,dry\n")
    const ended = await importing(
      path,
      ...["--set", "type=visit", "--map", "timestamp=t:seconds", "--map", "merchantId=m", "--dry-run"],
    )
    expect(ended.code).toBe(0)
    expect(ended.stdout).toMatch(
      /^{"id":"b.csv:4","merchantId":"dry","timestamp":1700000000000,"type":"visit"}\n/,
    )
    expect(ended.stdout).toMatch(/rows: 3, events: 1, can't be read or would be refused: 2/)
    expect(ended.stderr).toMatch(/line 3 .*timestamp is empty\nline 4 .*TIMESTAMP_IN_FUTURE/)
    expect((await tidemark.graphql('{ merchant(id: "dry") { id } }')).merchant).toBeNull()
  })

  it("refuses a mapping that the file can't fulfil before anything is sent", async () => {
    const path = fileWith("c.csv", "a,b\n1,2\n")
    const ended = await importing(
      path,
      "--merchant",
      "x",
      "--set",
      "type=visit",
      "--map",
      "timestamp=c:seconds",
    )
    expect([ended.code, ended.stderr]).toEqual([
      2,
      expect.stringMatching(/no column "c". The file has: a, b/),
    ])
  })
})
