import * as Either from "effect/Either"
import type { Filter, FilterTerm } from "../domain/Filter.js"
import { NONE } from "../domain/Metrics.js"
import { indexOf, type Values } from "../projections/Dimensions.js"
import type { Columns } from "../projections/Facts.js"
import { clean } from "../readmodels/Key.js"
import { type QueryRefused, refused } from "./QueryError.js"

export const MAX_TERMS = 20
export const MAX_TERM_VALUES = 1_000
export const MAX_PROPERTY_NAME = 256

interface CheckedTerm {
  /** Index into `bucketDimensions`, or the name of a property. */
  readonly by: number | string
  /** Takes a value as breakdowns show it. */
  readonly allows: (shown: string) => boolean
}

export interface CheckedFilter {
  readonly terms: ReadonlyArray<CheckedTerm>
}

/** A value as breakdowns show it. */
export const shownValue = (value: string | null): string => (value === null ? NONE : clean(value))

/** What keeps a property's name from being one; undefined for a good name. */
export const propertyNameFault = (name: string): string | undefined =>
  name.length >= 1 && name.length <= MAX_PROPERTY_NAME
    ? undefined
    : `a property's name has 1 to ${MAX_PROPERTY_NAME} characters, not ${name.length}`

const invalid = (place: string, what: string, limit?: number): Either.Either<never, QueryRefused> =>
  Either.left(refused("INVALID_FILTER", `${place}: ${what}`, limit === undefined ? undefined : { limit }))

const setOf = (values: ReadonlyArray<string> | null | undefined): ReadonlySet<string> | undefined =>
  values === null || values === undefined ? undefined : new Set(values.map(clean))

const checkTerm = (term: FilterTerm, index: number): Either.Either<CheckedTerm, QueryRefused> => {
  const place = `filter.all[${index}]`
  const { dimension } = term
  const property = term.property ?? undefined
  if (dimension === "PROPERTY") {
    if (property === undefined) {
      return invalid(place, "PROPERTY needs property, the name of the custom property to look at")
    }
    const fault = propertyNameFault(property)
    if (fault !== undefined) return invalid(`${place}.property`, fault, MAX_PROPERTY_NAME)
  } else if (property !== undefined) {
    return invalid(place, `property goes with the dimension PROPERTY only, not with ${dimension}`)
  }
  for (const name of ["in", "notIn"] as const) {
    const length = term[name]?.length ?? 0
    if (length > MAX_TERM_VALUES) {
      return invalid(`${place}.${name}`, `at most ${MAX_TERM_VALUES} values, not ${length}`, MAX_TERM_VALUES)
    }
  }
  const wanted = setOf(term.in)
  const unwanted = setOf(term.notIn)
  if (wanted === undefined && unwanted === undefined) {
    return invalid(place, "a term needs in or notIn, a list of values")
  }
  return Either.right({
    by: dimension === "PROPERTY" ? (property ?? "") : indexOf[dimension],
    allows: (shown) => (wanted?.has(shown) ?? true) && !(unwanted?.has(shown) ?? false),
  })
}

/** A filter that is missing lets everything pass. */
export const checkFilter = (
  filter: Filter | null | undefined,
): Either.Either<CheckedFilter, QueryRefused> => {
  if (filter === null || filter === undefined) return Either.right({ terms: [] })
  if (filter.all.length > MAX_TERMS) {
    return invalid("filter.all", `at most ${MAX_TERMS} terms, not ${filter.all.length}`, MAX_TERMS)
  }
  return Either.map(Either.all(filter.all.map(checkTerm)), (terms) => ({ terms }))
}

/** A term's answers by code: each text of a segment is looked up once, however many facts have it. */
const matchCodes = (
  { allows }: CheckedTerm,
  columns: Columns,
  codeOf: (row: number) => number,
): ((row: number) => boolean) => {
  /** 0 not known yet, 1 allowed, 2 not allowed. */
  const answers = new Uint8Array(columns.texts.length + 1)
  return (row) => {
    const code = codeOf(row)
    if (answers[code] === 0) {
      const text = code === 0 ? null : (columns.texts[code - 1] as string)
      answers[code] = allows(shownValue(text)) ? 1 : 2
    }
    return answers[code] === 1
  }
}

/** Whether the fact in a row passes. */
export const matchFacts = ({ terms }: CheckedFilter, columns: Columns): ((row: number) => boolean) => {
  const tests = terms.map((term) => {
    const { by } = term
    return matchCodes(
      term,
      columns,
      typeof by === "number" ? (row) => columns.code(row, by) : (row) => columns.propertyCode(row, by),
    )
  })
  const [only] = tests
  if (only === undefined) return () => true
  return tests.length === 1 ? only : (row) => tests.every((test) => test(row))
}

/** Whether something with these values passes; `property` gives its custom properties. */
export const matchValues = (
  { terms }: CheckedFilter,
  values: Values,
  property: (name: string) => string | null,
): boolean =>
  terms.every(({ by, allows }) =>
    allows(shownValue(typeof by === "number" ? (values[by] ?? null) : property(by))),
  )
