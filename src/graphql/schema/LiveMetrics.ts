import type { LiveMetrics as LiveData } from "../../queries/live/LiveQueries.js"
import { builder } from "../Builder.js"
import { scopeOf } from "../Context.js"
import { run } from "../Errors.js"
import { whileAllowed } from "../whileAllowed.js"
import { Event } from "./Event.js"
import { Point } from "./Series.js"
import { MetricValue } from "./Totals.js"

const LiveMetrics = builder.objectRef<LiveData>("LiveMetrics").implement({
  description: "A merchant's numbers of this moment.",
  fields: (t) => ({
    merchantId: t.exposeID("merchantId", { description: "The merchant." }),
    at: t.expose("at", { type: "DateTime", description: "When the numbers were made." }),
    position: t.expose("position", {
      type: "Position",
      description: "`today` counts every event up to here. Come back with it as `after`.",
    }),
    activeClients: t.exposeInt("activeClients", { description: "Clients in state ACTIVE." }),
    lastMinutes: t.expose("lastMinutes", {
      type: [Point],
      description: "EVENTS of the last 30 minutes, the running one last.",
    }),
    today: t.expose("today", {
      type: [MetricValue],
      description: "Every metric since midnight in the merchant's time zone.",
    }),
    latest: t.expose("latest", { type: [Event], description: "The newest 20 events, newest first." }),
  }),
})

builder.subscriptionType({
  description: "What is pushed: over WebSocket (`graphql-transport-ws`) or server-sent events.",
  fields: (t) => ({
    liveMetrics: t.field({
      type: LiveMetrics,
      description:
        "A merchant's live numbers: the first at once, then whenever they change, at most one message a second. A slow reader gets the newest and misses those between.",
      args: {
        merchantId: t.arg.id({ required: true, description: "The merchant." }),
        after: t.arg({
          type: "Position",
          description:
            "The position of the last message that was seen, or one that a 202 gave: the first message comes as soon as it includes that.",
        }),
      },
      subscribe: async (_, { merchantId, after }, context) => {
        const live = context.services.queries.live
        return whileAllowed(await run(live.watch(scopeOf(context.principal), merchantId, after)), context)
      },
      resolve: (live) => live,
    }),
  }),
})
