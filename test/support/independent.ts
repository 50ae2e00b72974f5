import {
  askBreakdown,
  askSeries,
  askTotals,
  counted,
  differences,
  type Narrowing,
  type Question,
} from "./askNumbers.js"
import { Oracle, type Range } from "./oracle.js"
import { collected, METRICS } from "./oracleEvents.js"
import type { SentEvent } from "./Sender.js"
import { patience } from "./stores.js"
import type { TidemarkProcess } from "./TidemarkProcess.js"

/** The merchant of events that only tell how far the numbers are; their ids begin with it too. */
export const PROBE = "probe"

const euros: Narrowing = { currency: "EUR" }
const pages: Narrowing = { filter: { all: [{ dimension: "TYPE", notIn: ["signup"] }] } }

const questionsOf = (oracle: Oracle, range: Range): ReadonlyArray<Question> => [
  askTotals(oracle, range),
  askTotals(oracle, range, euros),
  askTotals(oracle, range, pages),
  ...METRICS.map((metric) => askSeries(oracle, metric, range, "DAY")),
  askSeries(oracle, "GROSS_VOLUME", range, "DAY", euros),
  ...(["EVENTS", "VISITORS", "SESSIONS"] as const).flatMap((metric) => [
    askSeries(oracle, metric, range, "HOUR"),
    askSeries(oracle, metric, range, "DAY", pages),
    ...(["TYPE", "PATH", "PAYMENT_METHOD", "CURRENCY"] as const).map((by) =>
      askBreakdown(oracle, metric, by, range),
    ),
  ]),
  askBreakdown(oracle, "NET_VOLUME", "PAYMENT_METHOD", range, euros),
]

let probes = 0

/**
 * Asks the running program for the numbers of every merchant, and compares them with what the oracle
 * computes from the events that were sent to merchants in UTC and USD. Describes what differs. `longer` as `patience`.
 */
export const compareWithIndependent = async (
  tidemark: TidemarkProcess,
  events: ReadonlyArray<SentEvent>,
  longer = patience,
): Promise<ReadonlyArray<string>> => {
  const merchants = new Map<string, Array<SentEvent>>()
  const range = { from: Number.POSITIVE_INFINITY, to: Number.NEGATIVE_INFINITY }
  for (const event of events) {
    const own = merchants.get(event.merchantId)
    if (own === undefined) merchants.set(event.merchantId, [event])
    else own.push(event)
    range.from = Math.min(range.from, event.timestamp)
    range.to = Math.max(range.to, event.timestamp + 1)
  }
  // A new one each time: the position of a duplicate says nothing about what came since.
  const id = `${PROBE}-${probes++}`
  const probe = await tidemark.send({ id, type: "pageview", merchantId: PROBE, url: "/" })
  await counted(tidemark, PROBE, probe.body.position, longer)
  const found: Array<string> = []
  for (const [id, own] of merchants) {
    const oracle = new Oracle(
      own.map((event) => collected(event, "USD")),
      "UTC",
      "USD",
    )
    found.push(...(await differences(tidemark, id, questionsOf(oracle, range))))
  }
  return found
}
