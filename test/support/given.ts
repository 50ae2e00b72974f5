import { expect } from "vitest"
import type { EventData } from "../../src/domain/Event.js"
import type { DefinedProjection, RowOf, TableDefinitions } from "../../src/projections/DefinedProjection.js"
import { recorded, type TestEvent } from "../unit/processors/support.js"
import { documents } from "../unit/projections/support.js"

type Data = Partial<Omit<EventData, "merchantId" | "clientKey">>

/** An event as a test names it. Times as ISO 8601 or epoch ms. */
export interface GivenEvent extends Data {
  readonly type: string
  readonly at: string | number
  /** When it happened, unless it came late. */
  readonly recordedAt?: string | number
  /** "m-1" when missing. */
  readonly merchantId?: string
  readonly client?: string | undefined
}

/** Rows by their keys: the parts with "/" between, the merchant first. */
export type ExpectedRows<T extends TableDefinitions> = {
  readonly [K in keyof T]?: Readonly<Record<string, RowOf<T[K]>>>
}

const instant = (at: string | number): number => (typeof at === "number" ? at : Date.parse(at))

const testEvent = ({ type, at, recordedAt, merchantId = "m-1", client, ...data }: GivenEvent): TestEvent => ({
  type,
  at: instant(at),
  recordedAt: instant(recordedAt ?? at),
  data: { merchantId, ...data, ...(client === undefined ? {} : { clientKey: client }) },
})

/** Folds events, and gives the rows of every table; `commits`: the rows are stored and read back after each event. */
const rowsAfter = <T extends TableDefinitions>(
  projection: DefinedProjection<T>,
  events: ReadonlyArray<GivenEvent>,
  commits: boolean,
): Record<string, Record<string, unknown>> => {
  const { docs, texts, commit } = documents()
  for (const event of recorded(events.map(testEvent))) {
    projection.apply(event, docs)
    if (commits) commit()
  }
  commit()
  const found: Record<string, Record<string, unknown>> = {}
  for (const collection of projection.collections) {
    const own: Record<string, unknown> = {}
    for (const [name, text] of texts) {
      if (!name.startsWith(`${collection}/`)) continue
      own[name.slice(collection.length + 1).replaceAll("\u0001", "/")] = JSON.parse(text)
    }
    found[collection] = own
  }
  return found
}

/**
 * The test of a projection: `given(events).expect(rows)`. All rows of each table that is named are compared;
 * and folding must give the same when what it holds in memory is stored and forgotten after every event.
 */
export const given =
  <T extends TableDefinitions>(projection: DefinedProjection<T>) =>
  (...events: ReadonlyArray<GivenEvent>) => ({
    expect: (expected: ExpectedRows<T>): void => {
      const rows = rowsAfter(projection, events, false)
      expect(rowsAfter(projection, events, true)).toEqual(rows)
      for (const [name, own] of Object.entries(expected)) expect(rows[name], name).toEqual(own)
    },
  })
