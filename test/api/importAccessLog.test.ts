import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runCommand, startCommand, summaryOf } from "../support/Command.js"
import { realFile } from "../support/realFile.js"
import { storedEvents } from "../support/storedEvents.js"
import { projectRoot, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"
import { until } from "../support/until.js"

const { path: file, missing } = realFile("access.log")

const range = { from: "2015-05-01T00:00:00Z", to: "2015-06-01T00:00:00Z" }

/** What `access_log.py` computes from the file, sharing no code with Tidemark. */
interface Expected {
  readonly lines: number
  readonly unreadable: number
  readonly total: { readonly PAGEVIEWS: number }
  readonly days: Readonly<Record<string, { readonly PAGEVIEWS: number }>>
  readonly by: { readonly PATH: Readonly<Record<string, { readonly PAGEVIEWS: number }>> }
}

/** What each line must give, read by an expression of its own: offset, client, instant, path. */
interface Line {
  readonly offset: number
  readonly at: number
  readonly method: string
  readonly path: string | undefined
  readonly clientId: string
}

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")
const shape =
  /^(\S+) \S+ \S+ \[(\d+)\/(\w+)\/(\d+):([\d:]+) ([+-]\d\d)(\d\d)\] "(\S+) (\S+)[^"]*" \d+ \S+ "(?:\\.|[^"\\])*" "((?:\\.|[^"\\])*)"$/

const readLines = (content: Buffer): ReadonlyArray<Line> => {
  const lines: Line[] = []
  let offset = 0
  for (const text of content.toString("latin1").split("\n")) {
    const match = shape.exec(text)
    if (match !== null) {
      const [, host, day, month, year, time, hours, minutes, method = "", target = "", agent = ""] = match
      const date = `${year}-${String(months.indexOf(month as string) + 1).padStart(2, "0")}-${day}`
      const hash = createHash("sha256").update(`${host}\0${agent === "-" ? "" : agent}`, "latin1")
      lines.push({
        offset,
        at: Date.parse(`${date}T${time}${hours}:${minutes}`),
        method,
        path: target.startsWith("/") ? target.replace(/[?#].*$/, "") : undefined,
        clientId: `log-${hash.digest("base64url").slice(0, 22)}`,
      })
    }
    offset += text.length + 1
  }
  return lines
}

describe.skipIf(missing)("an access log, imported and read back", () => {
  const directory = temporaryDirectory()
  const dataDir = join(directory.path, "data")
  const tidemark = new TidemarkProcess(dataDir)
  let expected: Expected
  let lines: ReadonlyArray<Line>

  const args = (merchant: string, path = file) => [
    ...["import", "access-log", path, "--merchant", merchant, "--url", tidemark.url, "--json"],
  ]

  beforeAll(async () => {
    const script = join(projectRoot, "test/independent/access_log.py")
    const output = execFileSync("python3", [script, file], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 })
    expected = JSON.parse(output)
    lines = readLines(readFileSync(file))
    await tidemark.start()
  })
  afterAll(async () => {
    await tidemark.stop()
    directory.remove()
  })

  /** Page views and events by day, and page views by path, as the read models have them. */
  const read = async (merchant: string) => {
    // A position that includes everything sent so far: that of one more event of another merchant.
    const { body } = await tidemark.send([{ type: "probe", merchantId: "probe", clientId: "probe" }])
    await until(`${merchant} is to be seen`, 30_000, async () => {
      const query = "query ($id: ID!) { merchant(id: $id) { id } }"
      return (await tidemark.graphql(query, { id: merchant })).merchant !== null
    })
    const series = (metric: string) =>
      `series(metric: ${metric}, interval: DAY, range: $range, atLeast: $at) { points { at value } }`
    const { merchant: found } = await tidemark.graphql(
      `query ($id: ID!, $range: TimeRange!, $at: Position!) { merchant(id: $id) {
        pageviews: ${series("PAGEVIEWS")} events: ${series("EVENTS")}
        breakdown(metric: PAGEVIEWS, by: PATH, first: 1000, range: $range, atLeast: $at) { rows { key value } } } }`,
      { id: merchant, range, at: body.position },
    )
    const days = (points: ReadonlyArray<{ at: string; value: number }>) =>
      Object.fromEntries(
        points.filter(({ value }) => value > 0).map(({ at, value }) => [at.slice(0, 10), value]),
      )
    const rows = found.breakdown.rows as ReadonlyArray<{ key: string; value: number }>
    return {
      pageviews: days(found.pageviews.points),
      events: days(found.events.points),
      paths: Object.fromEntries(rows.filter(({ value }) => value > 0).map(({ key, value }) => [key, value])),
    }
  }

  const expectedNumbers = () => {
    const views = (groups: Readonly<Record<string, { readonly PAGEVIEWS: number }>>) =>
      Object.fromEntries(Object.entries(groups).map(([name, { PAGEVIEWS }]) => [name, PAGEVIEWS]))
    return { pageviews: views(expected.days), events: views(expected.days), paths: views(expected.by.PATH) }
  }

  const sentInAll = () => lines.length + expected.total.PAGEVIEWS

  it("gives the page views by day and by path that an independent script computes", async () => {
    const ended = await runCommand(dataDir, args("once"))
    expect(lines).toHaveLength(expected.lines - expected.unreadable)
    expect(summaryOf(ended)).toMatchObject({
      ...{ lines: expected.lines, unreadable: expected.unreadable },
      ...{ sent: sentInAll(), accepted: sentInAll(), duplicates: 0, rejected: 0 },
    })
    expect(ended.stderr).toMatch(/line 8899 \(byte 2111246\): the quote around its user agent is not closed/)
    expect(await read("once")).toEqual(expectedNumbers())
  })

  it("imported again, compressed and from standard input, nothing changes", async () => {
    const packed = join(directory.path, "access.log.gz")
    writeFileSync(packed, gzipSync(readFileSync(file)))
    const again = [
      await runCommand(dataDir, args("once")),
      await runCommand(dataDir, [...args("once", packed), "--restart"]),
      await runCommand(
        dataDir,
        [...args("once", "-"), "--source", "access.log", "--restart"],
        readFileSync(file),
      ),
    ]
    for (const ended of again) {
      expect(summaryOf(ended)).toMatchObject({ sent: sentInAll(), accepted: 0, duplicates: sentInAll() })
    }
    expect(await read("once")).toEqual(expectedNumbers())
  })

  it("--strict exits with 1 when a line can't be read, and --dry-run sends nothing", async () => {
    const dry = await runCommand(dataDir, [...args("never"), "--dry-run", "--strict"])
    expect(dry.code).toBe(1)
    expect(dry.stdout).toMatch(
      new RegExp(`request: ${lines.length}\n  pageview: ${expected.total.PAGEVIEWS}\n`),
    )
    expect((await tidemark.graphql('{ merchant(id: "never") { id } }')).merchant).toBeNull()
  })

  it("another file under the same name is refused, as its events would pass for repetitions", async () => {
    const other = join(directory.path, "access.log")
    writeFileSync(other, readFileSync(file).subarray(325))
    const ended = await runCommand(dataDir, args("once", other))
    expect(ended.code).toBe(2)
    expect(ended.stderr).toMatch(/another file was imported as "access.log" before/)
  })

  it("a wrong key and a server that is not there end it with a clear message", async () => {
    const refused = await runCommand(dataDir, [...args("x"), "--key", "wrong"])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/UNAUTHENTICATED/)])
    const nobody = ["import", "access-log", file, "--merchant", "x", "--url", "http://127.0.0.1:9"]
    const lost = await runCommand(dataDir, [...nobody, "--patience", "0"])
    expect([lost.code, lost.stderr]).toEqual([
      2,
      expect.stringMatching(/took nothing for 0 s \(ECONNREFUSED\)/),
    ])
  })

  it("stores every line's request and every page's view once, with offset, instant, path and client", async () => {
    await tidemark.stop()
    const stored = (await storedEvents(dataDir)).filter(({ data }) => data.merchantId === "once")
    const requests = new Map(
      stored.filter(({ type }) => type === "request").map((event) => [event.data.id, event]),
    )
    const views = stored.filter(({ type }) => type === "pageview")
    expect(stored).toHaveLength(sentInAll())
    expect(requests.size).toBe(lines.length)
    expect(new Set(views.map(({ data }) => data.id)).size).toBe(expected.total.PAGEVIEWS)
    const keyOf = new Map<string, string>()
    for (const { offset, at, method, path, clientId } of lines) {
      const request = requests.get(`access.log:${offset}:request`)
      expect(request).toMatchObject({ at, data: { method } })
      expect(request?.data.path).toBe(path)
      const key = request?.data.clientKey as string
      expect(keyOf.get(clientId) ?? key).toBe(key)
      keyOf.set(clientId, key)
    }
    expect(new Set(keyOf.values()).size).toBe(keyOf.size)
    for (const { at, data } of views) {
      const request = requests.get(`${data.id}:request`)
      expect([at, data.path, data.clientKey]).toEqual([
        request?.at,
        request?.data.path,
        request?.data.clientKey,
      ])
    }
    await tidemark.start()
  })
})

describe.skipIf(missing)("an import of an access log that is cut off", () => {
  const directory = temporaryDirectory()
  const dataDir = join(directory.path, "data")
  // Each append takes long enough for the import to be caught in the middle.
  const tidemark = new TidemarkProcess(dataDir, { TIDEMARK_FAULT_LOG_SLOWDOWN_MS: "60" })
  beforeAll(() => tidemark.start())
  afterAll(async () => {
    await tidemark.stop()
    directory.remove()
  })

  const command = (merchant: string) => [
    ...["import", "access-log", file, "--merchant", merchant, "--url", tidemark.url, "--json"],
  ]
  const savedOffset = (): number => {
    const states = join(dataDir, "imports")
    if (!existsSync(states)) return 0
    const open = readdirSync(states)
      .filter((name) => name.endsWith(".json"))
      .map((name) => JSON.parse(readFileSync(join(states, name), "utf8")))
    return open.find(({ done }) => !done)?.offset ?? 0
  }

  it.each(["SIGKILL", "SIGINT"] as const)(
    "by %s goes on where it stopped, and counts nothing twice",
    async (signal) => {
      const merchant = signal.toLowerCase()
      const { child, ended } = startCommand(dataDir, command(merchant))
      await until("some of it is done", 30_000, () => savedOffset() > 0)
      child.kill(signal)
      const first = await ended
      if (signal === "SIGKILL") expect(first.signal).toBe("SIGKILL")
      else {
        expect(first.code).toBe(130)
        expect(first.stderr).toMatch(/The same command goes on from there/)
      }
      const second = await runCommand(dataDir, command(merchant))
      expect(second.stderr).toMatch(/Going on at line \d+ \(byte \d+\), where the last import stopped/)
      const summary = summaryOf(second)
      expect(summary).toMatchObject({ lines: 10_000, unreadable: 1, rejected: 0 })
      expect(summary.accepted + summary.duplicates).toBe(summary.sent)
      const whole = await runCommand(dataDir, command(merchant))
      expect(summaryOf(whole)).toMatchObject({ accepted: 0, duplicates: summary.sent })
    },
  )

  it("by a server that dies and comes back goes on by itself", async () => {
    const { ended } = startCommand(dataDir, command("revived"))
    await until("some of it is done", 30_000, () => savedOffset() > 0)
    await tidemark.kill()
    await tidemark.start()
    const summary = summaryOf(await ended)
    expect(summary).toMatchObject({ lines: 10_000, rejected: 0 })
    const whole = await runCommand(dataDir, command("revived"))
    expect(summaryOf(whole)).toMatchObject({ accepted: 0, duplicates: summary.sent })
  })
})
