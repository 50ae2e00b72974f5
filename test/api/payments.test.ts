import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { projectRoot, TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"

const file = join(projectRoot, "..", "shared", "data", "payments.csv")
if (!existsSync(file)) console.warn(`SKIPPED: payments.csv is not at ${file}`)

/** What `payments.py` computes from the file, sharing no code with Tidemark. Amounts in cents. */
interface Expected {
  readonly payments: number
  readonly merchants: Readonly<
    Record<
      string,
      {
        readonly byDay: Readonly<Record<string, number>>
        readonly byMethod: Readonly<Record<string, number>>
      }
    >
  >
}

/** Dollars as written in the file, in cents: the figures have at most two decimals that count. */
const cents = (dollars: string): number => Math.round(Number(dollars) * 100)

const merchantId = (company: string): string =>
  company
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 64)

const rows = (): ReadonlyArray<Readonly<Record<string, string>>> => {
  const [header = "", ...lines] = readFileSync(file, "utf8").trimEnd().split(/\r?\n/)
  const names = header.split(",")
  return lines.map((line) => Object.fromEntries(line.split(",").map((value, at) => [names[at], value])))
}

const payments = () =>
  rows()
    .map((row, index) => ({ row, index }))
    .filter(({ row }) => row.company !== "")
    .map(({ row, index }) => ({
      id: `payments.csv:${index}`,
      type: "payment",
      merchantId: merchantId(row.company ?? ""),
      timestamp: Number(row.trip_start_timestamp) * 1000,
      amount: cents(row.fare ?? "") + cents(row.tips ?? ""),
      currency: "USD",
      ...(row.payment_type === "" ? {} : { paymentMethod: row.payment_type }),
    }))

describe.skipIf(!existsSync(file))("payments.csv, sent in and read back", () => {
  const directory = temporaryDirectory()
  const tidemark = new TidemarkProcess(directory.path)
  let expected: Expected
  let events: ReturnType<typeof payments>

  beforeAll(async () => {
    expected = JSON.parse(
      execFileSync("python3", [join(projectRoot, "test/independent/payments.py"), file], {
        encoding: "utf8",
        maxBuffer: 64 * 1024 * 1024,
      }),
    )
    events = payments()
    await tidemark.start()
  })
  afterAll(async () => {
    await tidemark.stop()
    directory.remove()
  })

  const sendAll = async () => {
    const sum = { accepted: 0, duplicates: 0, rejected: 0, position: "0" }
    for (let at = 0; at < events.length; at += 1_000) {
      const { status, body } = await tidemark.send(events.slice(at, at + 1_000))
      expect(status).toBe(202)
      sum.accepted += body.accepted
      sum.duplicates += body.duplicates
      sum.rejected += body.rejected.length
      sum.position = body.position
    }
    return sum
  }

  /** Volume by day and by payment method of every merchant, as the read models have it. */
  const read = async (position: string): Promise<Expected["merchants"]> => {
    const merchants = await Promise.all(
      Object.keys(expected.merchants).map(async (id) => {
        const { merchant } = await tidemark.graphql(
          `query ($id: ID!, $position: Position!) { merchant(id: $id) {
            series(metric: GROSS_VOLUME, interval: DAY, atLeast: $position
              range: { from: "2013-01-01T00:00:00Z", to: "2017-01-01T00:00:00Z" }) { points { at value } }
            breakdown(metric: GROSS_VOLUME, by: PAYMENT_METHOD, first: 1000, atLeast: $position
              range: { from: "2013-01-01T00:00:00Z", to: "2017-01-01T00:00:00Z" }) { rows { key value } }
          } }`,
          { id, position },
        )
        const points = merchant.series.points as Array<{ at: string; value: number }>
        const methods = merchant.breakdown.rows as Array<{ key: string; value: number }>
        return [
          id,
          {
            byDay: Object.fromEntries(
              points.filter((point) => point.value > 0).map(({ at, value }) => [at.slice(0, 10), value]),
            ),
            byMethod: Object.fromEntries(methods.map(({ key, value }) => [key, value])),
          },
        ] as const
      }),
    )
    return Object.fromEntries(merchants)
  }

  /** A day without volume is a point of value 0, with or without payments in it. */
  const withVolume = (merchants: Expected["merchants"]): Expected["merchants"] =>
    Object.fromEntries(
      Object.entries(merchants).map(([id, { byDay, byMethod }]) => [
        id,
        { byDay: Object.fromEntries(Object.entries(byDay).filter(([, volume]) => volume > 0)), byMethod },
      ]),
    )

  it("gives the volumes by day and by payment method that an independent script computes", async () => {
    const sent = await sendAll()
    expect(sent).toMatchObject({ accepted: expected.payments, duplicates: 0, rejected: 0 })
    expect(await read(sent.position)).toEqual(withVolume(expected.merchants))
  })

  it("sent again, nothing changes", async () => {
    const sent = await sendAll()
    expect(sent).toMatchObject({ accepted: 0, duplicates: expected.payments, rejected: 0 })
    expect(await read(sent.position)).toEqual(withVolume(expected.merchants))
  })
})
