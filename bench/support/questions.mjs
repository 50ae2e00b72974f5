// What the reading benchmark asks of `big`. A body is the JSON of one GraphQL request, with a range of its
// own at random within the history.
import { countries } from "./shops.mjs"

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** A range of so many days that begins at any millisecond of the history: it widens to whole hours. */
const rangeIn = ({ from, to, random }, days) => {
  const start = Math.floor(from + random.next() * (to - from - (days + 1) * DAY))
  return { from: new Date(start).toISOString(), to: new Date(start + days * DAY).toISOString() }
}

/** A range of so many whole days in the zone of `big`, which is 9 hours ahead of UTC all year. */
const wholeDaysIn = (site, days) => {
  const { from } = rangeIn(site, days)
  const start = Math.ceil((Date.parse(from) + 9 * HOUR) / DAY) * DAY - 9 * HOUR
  return { from: new Date(start).toISOString(), to: new Date(start + days * DAY).toISOString() }
}

const request = (query, variables) => JSON.stringify({ query, variables })

const SERIES = `query ($metric: Metric!, $range: TimeRange!, $interval: Interval!) {
  merchant(id: "big") { series(metric: $metric, range: $range, interval: $interval) {
    points { at value complete } asOf { position } } } }`

const BREAKDOWN = `query ($metric: Metric!, $by: Dimension!, $range: TimeRange!) {
  merchant(id: "big") { breakdown(metric: $metric, by: $by, range: $range, first: 10) {
    rows { key value } asOf { position } } } }`

const FILTERED = `query ($metric: Metric!, $by: Dimension!, $range: TimeRange!, $filter: Filter) {
  merchant(id: "big") { breakdown(metric: $metric, by: $by, range: $range, first: 10, filter: $filter) {
    rows { key value } asOf { position } } } }`

const TOTALS = `query ($range: TimeRange!) {
  merchant(id: "big") { totals(range: $range) { values { metric value } asOf { position } } } }`

const series = (metric, days, interval = "DAY") => ({
  name: `series of ${metric}, ${days} days by ${interval}`,
  body: (site) => request(SERIES, { metric, interval, range: rangeIn(site, days) }),
})

const top10 = (metric, by, range, says) => ({
  name: `top 10 of ${by} by ${metric}, 30 ${says}`,
  body: (site) => request(BREAKDOWN, { metric, by, range: range(site, 30) }),
})

const filtered = (metric, by) => ({
  name: `top 10 of ${by} by ${metric}, 7 days, three countries`,
  filtered: true,
  body: (site) => {
    const at = site.random.below(countries.length - 2)
    const filter = { all: [{ dimension: "COUNTRY", in: countries.slice(at, at + 3) }] }
    return request(FILTERED, { metric, by, range: rangeIn(site, 7), filter })
  },
})

const within = (targetMs, bounded) => (question) => ({ ...question, targetMs, bounded })

export const questions = [
  ...[
    { ...series("EVENTS", 30), inParallel: true },
    series("VISITORS", 30),
    series("SESSIONS", 30),
    series("GROSS_VOLUME", 30),
    { ...top10("PAGEVIEWS", "PATH", wholeDaysIn, "whole days"), inParallel: true },
    top10("PAGEVIEWS", "PATH", rangeIn, "days from any hour"),
    top10("VISITORS", "PATH", wholeDaysIn, "whole days"),
    top10("VISITORS", "PATH", rangeIn, "days from any hour"),
  ].map(within(10, true)),
  ...[
    { ...filtered("PAGEVIEWS", "PATH"), inParallel: true },
    filtered("SESSIONS", "PATH"),
    filtered("VISITORS", "DEVICE"),
  ].map(within(300, false)),
  {
    name: "totals, 30 days",
    body: (site) => request(TOTALS, { range: rangeIn(site, 30) }),
  },
  series("EVENTS", 364),
  series("VISITORS", 364),
  series("EVENTS", 7, "HOUR"),
]
