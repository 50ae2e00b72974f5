// Bare reading of an embedded log: the text of each event in the stored order, through JSON.parse, and
// nothing else. One thread. Prints JSON.
//   node bench/support/bareReplay.mjs LOG-DIRECTORY [whole]
// With `whole`, ids, revisions and metadata are read too, and the metadata parsed.
import { DatabaseSync } from "@photostructure/sqlite"
import { filesOf } from "../../dist/eventlog/embedded/Files.js"
import { usage } from "./usage.mjs"

const [directory, what] = process.argv.slice(2)
const PAGE = 2_000
const database = new DatabaseSync(filesOf(directory).database, { readOnly: true })
database.exec("PRAGMA cache_size = -16384")
const columns = what === "whole" ? "event, metadata, sequence, stream, revision, id" : "event"
const read = database.prepare(
  `SELECT ${columns} FROM events WHERE sequence > ? AND sequence <= ? ORDER BY sequence`,
)
read.setReturnArrays(true)
const { last } = database.prepare("SELECT max(sequence) AS last FROM events").get()

const measured = usage()
let events = 0
/** Something of each event is used, so that none of the work can be left out. */
let sum = 0
for (let at = 0; at < last; at += PAGE) {
  for (const row of read.all(at, at + PAGE)) {
    sum += JSON.parse(row[0]).at
    if (what === "whole") sum += JSON.parse(row[1]).recordedAt
    events++
  }
}
const result = measured()
database.close()
console.log(JSON.stringify({ events, eventsPerSecond: events / result.seconds, ...result, sum }))
