import * as Effect from "effect/Effect"
import type { DefinedProjection, ReadRow, RowOf, TableDefinitions } from "../projections/DefinedProjection.js"
import { MAX_DOCUMENTS, tooManyDocuments } from "./Costs.js"
import type { AsOf, Freshness } from "./Freshness.js"
import type { QueryError } from "./QueryError.js"

export interface RowsAnswer<R> {
  /** In order of their keys. */
  readonly rows: ReadonlyArray<ReadRow<R>>
  readonly asOf: AsOf
}

/** Reads the rows of a merchant whose keys begin with these parts, of a table of a projection in one file. */
export type ProjectionRows = <T extends TableDefinitions, K extends keyof T & string>(
  projection: DefinedProjection<T>,
  table: K,
  merchantId: string,
  ...parts: ReadonlyArray<string>
) => Effect.Effect<RowsAnswer<RowOf<T[K]>>, QueryError>

export const makeProjectionRows =
  (freshness: Freshness): ProjectionRows =>
  (projection, table, merchantId, ...parts) =>
    Effect.gen(function* () {
      const scan = { ...projection.scan(table, merchantId, ...parts), limit: MAX_DOCUMENTS }
      const { answer, asOf } = yield* freshness.read(projection.name, merchantId, [scan])
      const rows = answer.rows[0] ?? []
      if (rows.length >= MAX_DOCUMENTS) return yield* tooManyDocuments
      return { rows: projection.read(table, rows), asOf }
    })
