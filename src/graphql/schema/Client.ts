import type { Client as ClientData } from "../../queries/ClientQueries.js"
import { builder } from "../Builder.js"
import { run } from "../Errors.js"
import { afterDescription, connectionOf, firstDescription, pageCost } from "./Connection.js"
import { ClientStateEnum } from "./Enums.js"
import { IdlePeriodConnection } from "./IdlePeriod.js"

export const Client = builder.objectRef<ClientData>("Client").implement({
  description: "A client of a merchant: a visitor, or whatever sends events under one client id.",
  fields: (t) => ({
    clientId: t.exposeID("clientId", {
      description: "The id it was sent under; `(erased)` once its personal data was erased.",
    }),
    merchantId: t.exposeID("merchantId", {
      nullable: true,
      description: "Its merchant; null for a client of requests that name none.",
    }),
    state: t.expose("state", {
      type: ClientStateEnum,
      description: "IDLE from the report that it was silent for its idle time, until it is active again.",
    }),
    firstSeenAt: t.expose("firstSeenAt", { type: "DateTime", description: "Its earliest activity." }),
    lastSeenAt: t.expose("lastSeenAt", { type: "DateTime", description: "Its latest activity." }),
    ip: t.exposeString("ip", {
      nullable: true,
      description: "The address it was first seen with; null when none is kept, or it was erased.",
    }),
    requests: t.exposeFloat("requests", { description: "Events of type `request`." }),
    idlePeriods: t.field({
      type: IdlePeriodConnection,
      description: "When it was idle, the latest first.",
      complexity: pageCost,
      args: {
        first: t.arg.int({ description: firstDescription }),
        after: t.arg.string({ description: afterDescription }),
      },
      resolve: (client, page, { services }) => run(services.queries.clients.idlePeriods(client, page)),
    }),
  }),
})

export const ClientConnection = connectionOf("Client", Client)
