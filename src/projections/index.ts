import type { Projection } from "../processors/Projection.js"
import { clients } from "./clients.js"
import { funnel } from "./funnel.js"
import { hourly } from "./hourly.js"
import { merchants } from "./merchants.js"
import { metrics } from "./metrics.js"

/** Every projection that runs. */
export const projections: ReadonlyArray<Projection> = [metrics, clients, merchants]

/** Those that run where they are asked for by name: nothing that Tidemark shows is made of them. */
export const optional: ReadonlyArray<Projection> = [funnel, hourly]

/** Those that run, and the optional ones that a list such as `hourly, funnel` names. Throws for an unknown name. */
export const projectionsWith = (names: string): ReadonlyArray<Projection> => {
  const wanted = names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
  const known = optional.map(({ name }) => name)
  const unknown = wanted.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw new Error(`there is no optional projection "${unknown}": there are ${known.join(", ")}`)
  }
  return [...projections, ...optional.filter(({ name }) => wanted.includes(name))]
}
