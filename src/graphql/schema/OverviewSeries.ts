import type { OverviewSeries as SeriesData } from "../../queries/OverviewQueries.js"
import { MAX_POINTS } from "../../queries/TimeRange.js"
import { builder } from "../Builder.js"
import { MetricEnum } from "./Enums.js"
import { Point } from "./Series.js"

export const OverviewSeries = builder.objectRef<SeriesData>("OverviewSeries").implement({
  description: "One metric of all merchants together, over time.",
  fields: (t) => ({
    metric: t.expose("metric", { type: MetricEnum, description: "The metric." }),
    points: t.expose("points", {
      type: [Point],
      description: `Every bucket of the range in order, cut by UTC, empty ones too; at most ${MAX_POINTS}.`,
    }),
  }),
})
