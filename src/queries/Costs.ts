import { type QueryRefused, refused } from "./QueryError.js"

/** Facts that one question may read. A million takes a processor about a second. */
export const MAX_FACTS = 500_000

export const tooManyFacts = (facts: number): QueryRefused =>
  refused(
    "TOO_COSTLY",
    `this reads ${facts} facts, one for each event of the days in range, and the limit is ${MAX_FACTS}: shorten the range, or ask without filter and property`,
    { limit: MAX_FACTS, facts },
  )

/** Documents of sessions, of some 48 clients each, that one filtered question may read at one moment. */
export const MAX_SESSION_DOCUMENTS = 16_000

export const tooManySessions = refused(
  "TOO_COSTLY",
  `this reads ${MAX_SESSION_DOCUMENTS} documents of sessions or more, each of some 12 clients on a day: shorten the range, or ask for one metric that is not about sessions`,
  { limit: MAX_SESSION_DOCUMENTS },
)
