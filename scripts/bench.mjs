// `npm run bench`: installs and builds what is missing, then runs the benchmarks that are named, or all.
import { join } from "node:path"
import { build, install, root, run } from "./prepare.mjs"

const help = `npm run bench                        every benchmark at full size: takes hours
npm run bench -- NAME [OPTIONS]      one of them

ingest   collecting over HTTP against bare node:http and the bare log
           --runs 5  --seconds 20
replay   folding a year's events into read models against bare reading and JSON.parse of the log, and
         rebuilding one of them with one thread and with two
           --events 1000000  --days 365  --clients EVENTS/10  --runs 3  --dir DIRECTORY  --cpu-prof
reads    questions over HTTP to a year's events, and to a tenth of them
           --events 1000000  --asks 2000  --filtered-asks 500  --parallel 20  --only TEXT
           --dir SMALL --dir LARGE
rebuild  how much collecting feels a rebuild
           --events 1000000  --rate 1000  --runs 5  --seconds 20  --dir DIRECTORY
memory   resident memory during an import, and bytes on disk
           --events 1000000  --clients EVENTS/10  --via csv|http  --settle 60  --dir DIRECTORY
eventstoredb  EventStoreDB's adapter beside its bare client, on EVENTSTOREDB_URL or on the tests' stand-in
           --runs 5  --seconds 3

idle     bytes of a live client and the cost of touching one; with --node, the whole program with so many
           --clients 1000000  --touches 5000000  --node  --rate 5000  --seconds 60  --idle-after 20
mongodb  the read models' MongoDB adapter against its bare client writing the same documents
           --commits 20  --documents 300  --bytes 600  --runs 3  --url mongodb://…
monitor  a fastify server with the monitor, Tidemark up and down, against the same without it
           --runs 10  --seconds 10  --rate 2000

Histories are made once and kept in .cache/bench, or in the directories named with --dir.`

const FULL = "10000000"
const everything = [
  ["ingest"],
  ["replay", "--events", "1000000"],
  ["replay", "--events", FULL, "--runs", "1", "--cpu-prof"],
  ["reads", "--events", FULL],
  ["rebuild"],
  ["memory", "--events", FULL],
  ["monitor"],
  ["eventstoredb"],
  ["mongodb"],
  ["idle", "--node"],
]
const names = new Set(everything.map(([name]) => name))

const args = process.argv.slice(2)
const [name, ...options] = args
if (args.includes("--help")) {
  console.log(help)
  process.exit(0)
}
if (name !== undefined && !names.has(name)) {
  console.error(`There is no benchmark "${name}".\n\n${help}`)
  process.exit(1)
}
install()
build()
for (const [script, ...rest] of name === undefined ? everything : [[name, ...options]]) {
  const status = run(process.execPath, [join(root, "bench", `${script}.mjs`), ...rest])
  if (status !== 0) process.exit(status)
}
