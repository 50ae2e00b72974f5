import type { MetricValue as MetricValueData, Totals as TotalsData } from "../../queries/MetricQueries.js"
import { builder } from "../Builder.js"
import { AsOf, EffectiveRange } from "./AsOf.js"
import { MetricEnum } from "./Enums.js"

export const MetricValue = builder.objectRef<MetricValueData>("MetricValue").implement({
  description: "One metric and its value.",
  fields: (t) => ({
    metric: t.expose("metric", { type: MetricEnum, description: "The metric." }),
    value: t.exposeFloat("value", {
      nullable: true,
      description:
        "Counts, seconds, shares from 0 to 1, or minor units of the currency asked for; null where it is 0 ÷ 0.",
    }),
  }),
})

export const Totals = builder.objectRef<TotalsData>("Totals").implement({
  description: "Every metric over one range, which is widened to whole hours.",
  fields: (t) => ({
    values: t.expose("values", { type: [MetricValue], description: "One value for each metric." }),
    range: t.expose("range", { type: EffectiveRange, description: "The range that was summed." }),
    asOf: t.expose("asOf", { type: AsOf, description: "How fresh the answer is." }),
  }),
})
