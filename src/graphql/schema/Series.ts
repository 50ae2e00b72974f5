import type { Point as PointData, Series as SeriesData } from "../../queries/MetricQueries.js"
import { MAX_POINTS } from "../../queries/TimeRange.js"
import { builder } from "../Builder.js"
import { AsOf, EffectiveRange } from "./AsOf.js"

export const Point = builder.objectRef<PointData>("Point").implement({
  description: "One bucket of a series.",
  fields: (t) => ({
    at: t.expose("at", { type: "DateTime", description: "First instant of the bucket." }),
    value: t.exposeFloat("value", {
      nullable: true,
      description: "The metric's value; 0 when nothing happened, and null where it is 0 ÷ 0.",
    }),
    complete: t.exposeBoolean("complete", {
      description:
        "False while the bucket still runs, or not everything recorded before its end is counted. Late events may still change a complete one.",
    }),
  }),
})

export const Series = builder.objectRef<SeriesData>("Series").implement({
  description: "One metric over time.",
  fields: (t) => ({
    points: t.expose("points", {
      type: [Point],
      description: `Every bucket of the range in order, empty ones too; at most ${MAX_POINTS}.`,
    }),
    range: t.expose("range", { type: EffectiveRange, description: "The range, widened to whole buckets." }),
    asOf: t.expose("asOf", { type: AsOf, description: "How fresh the answer is." }),
  }),
})
