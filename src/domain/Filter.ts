import type { Dimension } from "./Metrics.js"

/** One condition: the event's value of the dimension is one of `in`, and none of `notIn`. */
export interface FilterTerm {
  readonly dimension: Dimension
  /** The name of the custom property, for PROPERTY alone. */
  readonly property?: string | null | undefined
  readonly in?: ReadonlyArray<string> | null | undefined
  readonly notIn?: ReadonlyArray<string> | null | undefined
}

/** Events that meet every term. */
export interface Filter {
  readonly all: ReadonlyArray<FilterTerm>
}
