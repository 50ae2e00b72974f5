import * as Either from "effect/Either"
import { type QueryRefused, refused } from "./QueryError.js"

/** One page of a list that is ordered by key. A cursor is opaque to who gets it. */
export interface Page<A> {
  readonly edges: ReadonlyArray<{ readonly cursor: string; readonly node: A }>
  readonly hasNextPage: boolean
  readonly hasPreviousPage: boolean
  /** Where the next page begins: of the last edge, or of what was looked through after it. */
  readonly endCursor: string | undefined
}

export interface PageArgs {
  readonly first?: number | null | undefined
  readonly after?: string | null | undefined
}

export const DEFAULT_FIRST = 20
export const MAX_FIRST = 200

/** Versioned, so that a later order of the list can refuse old cursors instead of misreading them. */
const VERSION = "1:"

export const cursorOf = (key: string): string => Buffer.from(VERSION + key, "utf8").toString("base64url")

const keyOf = (cursor: string): string | undefined => {
  const text = Buffer.from(cursor, "base64url").toString("utf8")
  return text.startsWith(VERSION) && cursorOf(text.slice(VERSION.length)) === cursor
    ? text.slice(VERSION.length)
    : undefined
}

/** `after` is the key of the last item that was seen; undefined at the beginning. */
export interface PageStart {
  readonly first: number
  readonly after: string | undefined
}

export const invalidCursor = (): QueryRefused =>
  refused("INVALID_CURSOR", "after is not a cursor of this list: take it from an edge or from pageInfo")

export const pageArgs = (args: PageArgs): Either.Either<PageStart, QueryRefused> => {
  const first = args.first ?? DEFAULT_FIRST
  if (!Number.isInteger(first) || first < 0 || first > MAX_FIRST) {
    return Either.left(
      refused("INVALID_FIRST", `first must be a whole number from 0 to ${MAX_FIRST}, not ${first}`, {
        limit: MAX_FIRST,
      }),
    )
  }
  if (args.after === undefined || args.after === null) return Either.right({ first, after: undefined })
  const after = keyOf(args.after)
  return after === undefined ? Either.left(invalidCursor()) : Either.right({ first, after })
}

/** The page out of one item more than it holds. */
export const toPage = <A>(
  items: ReadonlyArray<{ readonly key: string; readonly node: A }>,
  first: number,
  after: string | undefined,
): Page<A> => {
  const edges = items.slice(0, first).map(({ key, node }) => ({ cursor: cursorOf(key), node }))
  return {
    edges,
    hasNextPage: items.length > first,
    hasPreviousPage: after !== undefined,
    endCursor: edges.at(-1)?.cursor,
  }
}
