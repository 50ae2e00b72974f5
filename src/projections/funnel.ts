import { dayOf, defineProjection, type MerchantEvent, table } from "./DefinedProjection.js"

/** One step of a funnel. An event is of the first step that it fits. */
export interface Step {
  readonly name: string
  readonly is: (event: MerchantEvent) => boolean
}

export interface FunnelOptions {
  readonly name: string
  /** Raise it with every change of the steps. */
  readonly version: number
  /** At least two. */
  readonly steps: ReadonlyArray<Step>
}

/** How many clients of a day came to each step; by the number of the step. */
export interface FunnelDay {
  readonly reached: Array<number>
}

/** What a client did on a day: events of steps in order of time (ms since the day began, step). */
export interface FunnelVisit {
  readonly seen: Array<[at: number, step: number]>
  reached: number
}

/** Past so many a client's day says nothing new, or is no person's. */
const MOST_SEEN = 100

/** How many steps were taken one after the other; what was done between them does not matter. */
const reachedBy = ({ seen }: FunnelVisit): number => {
  let next = 0
  for (const [, step] of seen) if (step === next) next++
  return next
}

/**
 * How many clients of a merchant went how far through some steps on one UTC day. Judged by when events happened,
 * so that the order in which they were recorded does not matter. A client counts once a day at each step.
 */
export const makeFunnel = ({ name, version, steps }: FunnelOptions) =>
  defineProjection({
    name,
    version,
    source: import.meta.url,
    tables: {
      days: table((): FunnelDay => ({ reached: steps.map(() => 0) })),
      visits: table((): FunnelVisit => ({ seen: [], reached: 0 })),
    },
    fold: (event, { days, visits }) => {
      const step = steps.findIndex(({ is }) => is(event))
      if (step < 0 || event.client === undefined) return
      const day = dayOf(event.at)
      const visit = visits.edit(day, event.client)
      if (visit.seen.length >= MOST_SEEN) return
      visit.seen.push([event.at - Date.parse(day), step])
      visit.seen.sort(([a, one], [b, other]) => a - b || one - other)
      const reached = reachedBy(visit)
      for (let more = visit.reached; more < reached; more++) {
        const counts = days.edit(day).reached
        counts[more] = (counts[more] ?? 0) + 1
      }
      visit.reached = reached
    },
  })

/** From looking to paying. */
export const funnel = makeFunnel({
  name: "funnel",
  version: 1,
  steps: [
    { name: "view", is: ({ type }) => type === "pageview" },
    { name: "payment", is: ({ type }) => type === "payment" },
  ],
})
