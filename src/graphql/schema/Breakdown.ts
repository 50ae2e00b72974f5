import type { Breakdown as BreakdownData, BreakdownRow as RowData } from "../../queries/MetricQueries.js"
import { builder } from "../Builder.js"
import { AsOf, EffectiveRange } from "./AsOf.js"

const BreakdownRow = builder.objectRef<RowData>("BreakdownRow").implement({
  description: "One value of the dimension.",
  fields: (t) => ({
    key: t.exposeString("key", {
      description:
        "The dimension's value; `(none)` for events without it. `(other)` is for values beyond the first 10,000 of a day, in breakdowns without filter and property.",
    }),
    value: t.exposeFloat("value", {
      nullable: true,
      description: "The metric's value for it. A client that counts under two values is a visitor of both.",
    }),
  }),
})

export const Breakdown = builder.objectRef<BreakdownData>("Breakdown").implement({
  description: "One metric by the values of a dimension, over a range widened to whole hours.",
  fields: (t) => ({
    rows: t.expose("rows", { type: [BreakdownRow], description: "Greatest first; equal ones by key." }),
    range: t.expose("range", { type: EffectiveRange, description: "The range that was summed." }),
    asOf: t.expose("asOf", { type: AsOf, description: "How fresh the answer is." }),
  }),
})
