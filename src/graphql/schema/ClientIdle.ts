import type { ClientIdle as ClientIdleData } from "../../queries/live/IdleQueries.js"
import { builder } from "../Builder.js"
import { scopeOf } from "../Context.js"
import { run } from "../Errors.js"
import { whileAllowed } from "../whileAllowed.js"

const ClientIdle = builder.objectRef<ClientIdleData>("ClientIdle").implement({
  description: "A client that has become idle.",
  fields: (t) => ({
    merchantId: t.exposeID("merchantId", {
      nullable: true,
      description: "Its merchant; null for a client of requests that name none.",
    }),
    clientId: t.exposeID("clientId", { description: "The id it was sent under." }),
    ip: t.exposeString("ip", {
      nullable: true,
      description: "The address it was first seen with; null when none is kept, or it was erased.",
    }),
    lastActivityAt: t.expose("lastActivityAt", { type: "DateTime", description: "Its last activity." }),
    idleSince: t.expose("idleSince", {
      type: "DateTime",
      description: "`lastActivityAt` and its idle time.",
    }),
    reportedAt: t.expose("reportedAt", { type: "DateTime", description: "When it was reported." }),
  }),
})

builder.subscriptionField("clientIdle", (t) =>
  t.field({
    type: ClientIdle,
    description:
      "Clients as they become idle, each silence once, from now on: neither a rebuild nor a replay brings one again, and imported history brings none. A reader that falls 1,000 behind misses the oldest: `clients(state: IDLE)` has them.",
    args: {
      merchantId: t.arg.id({
        description:
          "Only of this merchant. Left out: with a merchant's key its own, else of all merchants and of none.",
      }),
    },
    subscribe: async (_, { merchantId }, context) =>
      whileAllowed(
        await run(context.services.queries.idle.watch(scopeOf(context.principal), merchantId)),
        context,
      ),
    resolve: (idle) => idle,
  }),
)
