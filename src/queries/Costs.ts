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

/** Facts that one question about the past may read: it is asked rarely, and of a day with very many. */
export const MAX_AS_OF_FACTS = 1_500_000

export const tooManyAsOfFacts = refused(
  "TOO_COSTLY",
  `asOfPosition reads the events of the range themselves, and here more than ${MAX_AS_OF_FACTS}: shorten the range`,
  { limit: MAX_AS_OF_FACTS },
)

/** Events that are looked up in the log to find which of several at one instant began a session. */
export const MAX_TIES = 20_000

export const tooManyTies = refused(
  "TOO_COSTLY",
  `more than ${MAX_TIES} events that begin a session happened at one instant with another of the same client: shorten the range, or ask for one metric that is not about sessions`,
  { limit: MAX_TIES },
)

/** Documents that one question may read: past this it would hold up everyone else. */
export const MAX_DOCUMENTS = 20_000

export const tooManyDocuments = refused(
  "TOO_COSTLY",
  `this reads ${MAX_DOCUMENTS} stored documents or more: shorten the range`,
  { limit: MAX_DOCUMENTS },
)
