// Where a replay's time goes, from a CPU profile: by the first frame, from the innermost outwards, that
// belongs to a phase.
import { readFileSync } from "node:fs"

const phases = [
  ["garbage collection", (name) => name === "(garbage collector)"],
  ["waiting", (name) => name === "(idle)"],
  [
    "read models: find documents",
    (name, file) => /\bloadNow$|\bload$/.test(name) && isIn(file, "readmodels/embedded"),
  ],
  ["read models: write", (name, file) => /^commit$/.test(name) && isIn(file, "readmodels/embedded")],
  ["log: read, check, parse", (_, file) => isIn(file, "eventlog/embedded")],
  ["working set", (_, file) => isIn(file, "processors/WorkingSet")],
  [
    "projection",
    (name, file) => (/\/projections\//.test(file) && name === "apply" ? fileName(file) : undefined),
  ],
  ["engine", (_, file) => isIn(file, "processors/")],
]

const isIn = (file, place) => file.includes(`/dist/${place}`)
const fileName = (file) => file.replace(/^.*\/dist\/(.*)\.js$/, "$1")

const phaseOf = ({ functionName, url }) => {
  for (const [phase, belongs] of phases) {
    const found = belongs(functionName, url)
    if (found) return typeof found === "string" ? `${phase} ${found}` : phase
  }
  return undefined
}

/** Milliseconds by phase, most first, and the functions that took most of their own time. */
export const phasesOf = (file) => {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8"))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])))
  const known = new Map()
  const find = (id) => {
    if (id === undefined) return "everything else"
    if (!known.has(id)) known.set(id, phaseOf(byId.get(id).callFrame) ?? find(parents.get(id)))
    return known.get(id)
  }
  const spent = new Map()
  const own = new Map()
  samples.forEach((id, index) => {
    const ms = timeDeltas[index] / 1000
    add(spent, find(id), ms)
    const { functionName, url, lineNumber } = byId.get(id).callFrame
    const where =
      url === "" ? "" : ` ${url.replace(/^.*\/(dist|node_modules|node:)/, "$1")}:${lineNumber + 1}`
    add(own, `${functionName || "(anonymous)"}${where}`, ms)
  })
  const most = (map) => [...map].sort((a, b) => b[1] - a[1])
  return { phases: most(spent), functions: most(own).slice(0, 30) }
}

const add = (map, name, ms) => map.set(name, (map.get(name) ?? 0) + ms)
