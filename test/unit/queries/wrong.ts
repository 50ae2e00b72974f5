import type { Projection } from "../../../src/processors/Projection.js"
import { metrics } from "../../../src/projections/metrics.js"

/** The present code, but that it takes refunds for payments. */
export const wrong: Projection = {
  ...metrics,
  version: metrics.version - 1,
  apply: (recorded, docs) => {
    const { event } = recorded
    metrics.apply(
      event.type === "refund" ? { ...recorded, event: { ...event, type: "payment" } } : recorded,
      docs,
    )
  },
}
