// Reading over HTTP from a small and a large history, asked in turns so that both meet the same machine.
//   node bench/reads.mjs [--events 1000000] [--dir SMALL --dir LARGE] [--asks 2000] [--filtered-asks 500]
//                        [--parallel 20] [--only TEXT]
// The large history has so many events, the small one a tenth; both are made unless they are there. Every ask
// has a range of its own at random, and nothing in the program keeps answers. Both servers have come to rest
// before: on its first start on a history one makes its index and reports silences.
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Random } from "../dist/cli/loadgen/Random.js"
import { SECRET } from "./history.mjs"
import { Asker } from "./support/Asker.mjs"
import { serve, untilLevel, untilQuiet } from "./support/program.mjs"
import { questions } from "./support/questions.mjs"
import { directoryFor, prepareSite } from "./support/site.mjs"
import { count, quantile, table, verdict } from "./support/text.mjs"

const WARM_UP = 100
/** Asks of one directory before it is the other's turn. */
const TURN = 50
/** At most so many times the p99 on the smaller history. */
const GROWTH = 1.5

const ms = (number) => number.toFixed(number < 100 ? 1 : 0)

/** Milliseconds of each ask, or why the question can't be asked. */
const askAll = async (sites, question, asks, lanes) => {
  for (const site of sites) site.times = []
  try {
    for (const site of sites) await site.asker.ask(WARM_UP, () => question.body(site), lanes)
    for (let done = 0; done < asks; done += TURN) {
      for (const site of sites)
        site.times.push(...(await site.asker.ask(TURN, () => question.body(site), lanes)))
    }
  } catch (error) {
    return error.message
  }
  return undefined
}

const judge = (question, sites) => {
  const p99s = sites.map(({ times }) => quantile(times, 0.99))
  const largest = p99s.at(-1)
  const growth = p99s.length > 1 ? largest / p99s[0] : undefined
  if (question.targetMs === undefined) return { growth, says: "" }
  const reached =
    largest < question.targetMs && (!question.bounded || growth === undefined || growth <= GROWTH)
  const target = `< ${question.targetMs} ms${question.bounded ? `, ≤ ${GROWTH} ×` : ""}`
  return { growth, says: `${verdict(reached)} (${target})` }
}

const rowsOf = (question, sites, fault) => {
  if (fault !== undefined)
    return [[question.name, "", "", "", "", "", "", `can't be asked: ${fault.slice(0, 90)}`]]
  const { growth, says } = judge(question, sites)
  return sites.map(({ events, times }, index) => {
    const isLast = index === sites.length - 1
    return [
      index === 0 ? question.name : "",
      count(events),
      ...[0.5, 0.95, 0.99, 1].map((q) => ms(quantile(times, q))),
      isLast && growth !== undefined ? `${growth.toFixed(2)} ×` : "",
      isLast ? says : "",
    ]
  })
}

const HEAD = ["question", "events", "p50 ms", "p95 ms", "p99 ms", "max ms", "p99 grows", "target"]

export const reads = async ({ places, seed, asks, filteredAsks, only, parallel }) => {
  const sites = []
  try {
    for (const { dir, events } of places) {
      const history = await prepareSite(dir, { events, clients: Math.ceil(events / 10), seed })
      const server = await serve(dir, SECRET)
      const seconds = async (time) => ((await time) / 1000).toFixed(1)
      const level = await seconds(untilLevel(server.url))
      const quiet = await seconds(untilQuiet(server.pid))
      console.error(
        `${dir}: ready after ${(server.readyAfterMs / 1000).toFixed(1)} s, level ${level} s later, quiet ${quiet} s later`,
      )
      sites.push({
        ...history,
        server,
        asker: new Asker(server.url),
        random: new Random(history.events),
        times: [],
      })
    }
    const refused = new Set()
    const wanted = questions.filter(({ name }) => only === undefined || name.includes(only))
    for (const [lanes, some] of [
      [1, wanted],
      [4, wanted],
      [parallel, wanted.filter(({ inParallel }) => inParallel)],
    ]) {
      const rows = []
      for (const question of some) {
        if (refused.has(question)) continue
        const fault = await askAll(sites, question, question.filtered ? filteredAsks : asks, lanes)
        if (fault !== undefined) refused.add(question)
        rows.push(...rowsOf(question, sites, fault))
        console.error(`${lanes} connections: ${question.name}`)
      }
      if (rows.length === 0) continue
      console.log(
        `\n${lanes === 1 ? "One connection" : `${lanes} connections at once`}, ${asks} asks each:\n`,
      )
      console.log(table(HEAD, rows))
    }
  } finally {
    for (const { server, asker } of sites) {
      asker.close()
      await server.stop()
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      dir: { type: "string", multiple: true, default: [] },
      events: { type: "string", default: "1000000" },
      seed: { type: "string", default: "7" },
      asks: { type: "string", default: "2000" },
      "filtered-asks": { type: "string", default: "500" },
      parallel: { type: "string", default: "20" },
      only: { type: "string" },
    },
  })
  const sizes = [Math.floor(Number(values.events) / 10), Number(values.events)]
  await reads({
    places: sizes.map((events, index) => ({ events, dir: values.dir[index] ?? directoryFor(events) })),
    seed: Number(values.seed),
    asks: Number(values.asks),
    filteredAsks: Number(values["filtered-asks"]),
    parallel: Number(values.parallel),
    only: values.only,
  })
}
