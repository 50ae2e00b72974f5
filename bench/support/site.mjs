// A data directory to ask: a history, and read models that the present code has folded from it.
import { rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { definitionOf } from "../../dist/processors/Projection.js"
import { projections } from "../../dist/projections/index.js"
import { RegistryFile } from "../../dist/readmodels/embedded/RegistryFile.js"
import { makeHistory } from "../history.mjs"
import { json, jsonOnCores, root } from "./program.mjs"
import { count, per } from "./text.mjs"

/** Where a history of so many events, or of that name, is kept when no directory is named. */
export const directoryFor = (events) => join(root, ".cache", "bench", `history-${events}`)

const script = (name) => fileURLToPath(new URL(name, import.meta.url))

/** Folds the whole log of a data directory into new read models; what `replayAll.mjs` prints. */
export const fold = async (dir, readModels, profile) => {
  rmSync(readModels, { recursive: true, force: true })
  return json([script("replayAll.mjs"), dir, readModels, ...(profile === undefined ? [] : [profile])])
}

/**
 * Rebuilds a projection beside read models that are up to date, on so many cores in as many threads, with all
 * that V8 does in threads of its own; what `rebuildOnce.mjs` prints.
 */
export const rebuildOnce = (dir, readModels, projection, cores, from = 0) =>
  jsonOnCores(cores, [script("rebuildOnce.mjs"), dir, readModels, projection, String(cores)], from)

/**
 * The same on one core, while whole rows are read barely again and again on another one: a machine that is slower for
 * a while is so for both. `from`: 0 or 1, the core of the rebuild. `bare` is how fast those were read that were read
 * before it was over, events/s.
 */
export const rebuildBeside = async (dir, readModels, projection, from) => {
  let isOver = false
  const rebuild = rebuildOnce(dir, readModels, projection, 1, from).finally(() => {
    isOver = true
  })
  const read = async () => {
    const all = []
    while (!isOver) {
      const one = await bare(dir, ["whole"], 1 - from)
      if (!isOver || all.length === 0) all.push(one)
    }
    const sum = (name) => all.reduce((total, one) => total + one[name], 0)
    return sum("events") / sum("seconds")
  }
  // Whichever fails, none is left running.
  const ended = await Promise.allSettled([rebuild, read()])
  const failed = ended.find(({ status }) => status === "rejected")
  if (failed !== undefined) throw failed.reason
  const [{ value: result }, { value: barely }] = ended
  return { ...result, bare: barely }
}

/** On one core. */
export const bare = (dir, what = [], from = 0) =>
  jsonOnCores(1, [script("bareReplay.mjs"), join(dir, "log"), ...what], from)

/** Whether every projection of this code serves there, to the end of the log. */
const isFolded = (readModels) => {
  const registry = new RegistryFile(readModels)
  try {
    const builds = registry.registered().flatMap((one) => one.builds)
    const found = new Set(
      builds.filter(({ state }) => state === "SERVING").map(({ definition }) => definition),
    )
    return projections.every((projection) => found.has(definitionOf(projection)))
  } finally {
    registry.close()
  }
}

/** Makes what is missing: the history, and the read models of the present projections. */
export const prepareSite = async (dir, wanted) => {
  const history = await makeHistory(dir, wanted)
  const readModels = join(dir, "readmodels")
  if (!isFolded(readModels)) {
    const result = await fold(dir, readModels)
    console.error(`${dir}: folded ${count(result.events)} events at ${per(result.eventsPerSecond)}`)
  }
  return history
}
