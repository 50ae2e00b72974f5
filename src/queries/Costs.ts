import { type QueryRefused, refused } from "./QueryError.js"

/** Facts that one question may read. A million takes a processor about a second. */
export const MAX_FACTS = 500_000

export const tooManyFacts = (facts: number): QueryRefused =>
  refused(
    "TOO_COSTLY",
    `this reads ${facts} facts, one for each event of the days in range, and the limit is ${MAX_FACTS}: shorten the range, or ask without filter and property`,
    { limit: MAX_FACTS, facts },
  )
