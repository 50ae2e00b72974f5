// Sends a stretch of a year's visits over HTTP as fast as answers come, in batches, and prints JSON.
//   node bench/support/importer.mjs URL '{"events":…,"clients":…,"seed":…,"to":…,"first":…,"last":…,"batch":…,"connections":…}'
import { HttpLoad } from "../../dist/cli/loadgen/HttpLoad.js"
import { KEY } from "./program.mjs"
import { sentOf } from "./sent.mjs"
import { Traffic } from "./Traffic.mjs"
import { usage } from "./usage.mjs"

const [url, text] = process.argv.slice(2)
const options = JSON.parse(text)
const { first, last, batch, connections } = options
const visits = new Traffic(options)[Symbol.iterator]()
for (let skipped = 0; skipped < first; skipped++) visits.next()

const source = {
  id: "",
  event() {
    const event = visits.next().value
    this.id = event.id
    return JSON.stringify(sentOf(event))
  },
}
const measured = usage()
const load = new HttpLoad(
  { url, key: KEY, batch, connections, events: last - first, retries: 1_000, longestWait: 5 },
  source,
)
const result = await load.run()
if (result.lost > 0 || result.rejected > 0) throw new Error(JSON.stringify(result))
console.log(
  JSON.stringify({ ...measured(), eventsPerSecond: result.eventsPerSecond, statuses: result.statuses }),
)
