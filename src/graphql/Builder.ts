import SchemaBuilder from "@pothos/core"
import ComplexityPlugin from "@pothos/plugin-complexity"
import type { Position } from "../domain/Position.js"
import type { Context } from "./Context.js"
import { shownError } from "./Errors.js"

/**
 * What one operation may cost, counted in fields: a list counts its fields once for each item that it may
 * have. A series of 11,000 points fits; a page of merchants with long series does not.
 */
export const MAX_COMPLEXITY = 50_000

export const builder = new SchemaBuilder<{
  Context: Context
  DefaultFieldNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    /** Epoch ms. */
    DateTime: { Input: number; Output: number }
    Position: { Input: string; Output: Position }
    Currency: { Input: string; Output: string }
    JSON: { Input: unknown; Output: unknown }
  }
}>({
  defaultFieldNullability: false,
  plugins: [ComplexityPlugin],
  complexity: {
    defaultComplexity: 1,
    defaultListMultiplier: 1,
    limit: { complexity: MAX_COMPLEXITY },
    complexityError: (_kind, { complexity }) =>
      shownError(
        "QUERY_TOO_COMPLEX",
        `the operation may cost ${complexity}, and the limit is ${MAX_COMPLEXITY}: ask for shorter lists or fewer fields`,
        { limit: MAX_COMPLEXITY, complexity },
        400,
      ),
  },
})

/** The cost of a list: what is selected of an item, once for each that may come. */
export const perItem = (count: number): { readonly field: number; readonly multiplier: number } => ({
  field: 1,
  multiplier: Math.max(1, count),
})

export type Types = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer All> ? All : never
