import type { Range } from "../../domain/TimeBuckets.js"
import type { AsOf as AsOfData } from "../../queries/Freshness.js"
import { builder } from "../Builder.js"

export const AsOf = builder.objectRef<AsOfData>("AsOf").implement({
  description: "How fresh an answer is.",
  fields: (t) => ({
    position: t.expose("position", {
      type: "Position",
      description: "Every event up to here is in the answer.",
    }),
    recordedAt: t.expose("recordedAt", {
      type: "DateTime",
      nullable: true,
      description: "When the last event up to `position` was recorded; null before the first.",
    }),
    lagMs: t.exposeFloat("lagMs", {
      description: "Age in milliseconds of the oldest event that is not in the answer yet; 0 when all are.",
    }),
    build: t.exposeID("build", { description: "The build of the projection that the answer comes from." }),
    stalledAt: t.field({
      type: "Position",
      nullable: true,
      description:
        "The merchant's first event that could not be folded: it was set aside, and what is later of this merchant waits behind it. Null when there is none.",
      resolve: ({ stalledAt }) => stalledAt,
    }),
  }),
})

export const EffectiveRange = builder.objectRef<Range>("EffectiveRange").implement({
  description: "The range that was answered: the one asked for, widened to whole buckets.",
  fields: (t) => ({
    from: t.expose("from", { type: "DateTime", description: "Included." }),
    to: t.expose("to", { type: "DateTime", description: "Excluded." }),
  }),
})

export const TimeRange = builder.inputType("TimeRange", {
  description: "From one instant up to another. It is widened to whole buckets in the merchant's time zone.",
  fields: (t) => ({
    from: t.field({ type: "DateTime", required: true, description: "Included." }),
    to: t.field({ type: "DateTime", required: true, description: "Excluded; must be after `from`." }),
  }),
})
