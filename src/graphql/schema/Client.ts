import type { Client as ClientData } from "../../queries/ClientQueries.js"
import { builder } from "../Builder.js"
import { connectionOf } from "./Connection.js"
import { ClientStateEnum } from "./Enums.js"

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
      description: "Whether it is idle, judged when it is asked for.",
    }),
    firstSeenAt: t.expose("firstSeenAt", { type: "DateTime", description: "Its earliest activity." }),
    lastSeenAt: t.expose("lastSeenAt", { type: "DateTime", description: "Its latest activity." }),
    ip: t.exposeString("ip", {
      nullable: true,
      description: "The address it was first seen with; null when none is kept, or it was erased.",
    }),
    requests: t.exposeFloat("requests", { description: "Events of type `request`." }),
  }),
})

export const ClientConnection = connectionOf("Client", Client)
