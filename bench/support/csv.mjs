// A year's visits as CSV, as a shop would export them, and how its columns are mapped to fields.
import { once } from "node:events"
import { createWriteStream } from "node:fs"
import { sentOf } from "./sent.mjs"
import { Traffic } from "./Traffic.mjs"

/** Column, field of an event, and its value. */
const columns = [
  ["event_id", "id", (event) => event.id],
  ["kind", "type", (event) => event.type],
  ["shop", "merchantId", (event) => event.merchantId],
  ["customer", "clientId", (event) => event.clientId],
  ["time_ms", "timestamp:milliseconds", (event) => event.timestamp],
  ["cents", "amount:minor", (event) => event.amount],
  ["currency", "currency", (event) => event.currency],
  ["paid_by", "paymentMethod", (event) => event.paymentMethod],
  ["points_used", "pointsUsed", (event) => event.pointsUsed],
  ["points_earned", "pointsEarned", (event) => event.pointsEarned],
  ["url", "url", (event) => event.url],
  ["referrer", "referrer", (event) => event.referrer],
  ["ip", "ip", (event) => event.ip],
  ["agent", "userAgent", (event) => event.userAgent],
  ["grade", "user.grade", (event) => event.user.grade],
  ["gender", "user.gender", (event) => event.user.gender],
  ["birth_year", "user.birthYear", (event) => event.user.birthYear],
  ["country", "user.country", (event) => event.user.country],
  ["sku", "properties.sku", (event) => event.properties?.sku],
  ["step", "properties.step", (event) => event.properties?.step],
]

/** Options of `tidemark import csv`. */
export const mapping = columns.flatMap(([column, field]) => {
  const [name, transform] = field.split(":")
  return ["--map", `${name}=${column}${transform === undefined ? "" : `:${transform}`}`]
})

const cell = (value) => {
  const text = value === undefined ? "" : String(value)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const LINES = 2_000

/** Writes files, one for each cut: the events up to it, from the cut before on. */
export const writeCsv = async (options, parts) => {
  const visits = new Traffic(options)[Symbol.iterator]()
  let made = 0
  for (const { file, last } of parts) {
    const out = createWriteStream(file)
    let text = `${columns.map(([column]) => column).join()}\n`
    while (made < last) {
      const event = sentOf(visits.next().value)
      text += `${columns.map(([, , value]) => cell(value(event))).join()}\n`
      made++
      if (made % LINES !== 0 && made < last) continue
      if (!out.write(text)) await once(out, "drain")
      text = ""
    }
    out.end()
    await once(out, "close")
  }
}
