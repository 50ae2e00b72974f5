import type { IdlePeriod as PeriodData } from "../../queries/ClientQueries.js"
import { builder } from "../Builder.js"
import { connectionOf } from "./Connection.js"

const IdlePeriod = builder.objectRef<PeriodData>("IdlePeriod").implement({
  description: "A time in which a client was silent for longer than its idle time.",
  fields: (t) => ({
    lastActivityAt: t.expose("lastActivityAt", {
      type: "DateTime",
      description: "Its last activity before.",
    }),
    idleSince: t.expose("idleSince", {
      type: "DateTime",
      description: "`lastActivityAt` and the idle time of then.",
    }),
    reportedAt: t.expose("reportedAt", { type: "DateTime", description: "When it was reported, once." }),
    returnedAt: t.expose("returnedAt", {
      type: "DateTime",
      nullable: true,
      description: "When it was active again, never before `idleSince`; null while it is idle.",
    }),
    historical: t.exposeBoolean("historical", {
      description:
        "It was over, or had begun, when its events were recorded: imported history. Nobody was alerted.",
    }),
  }),
})

export const IdlePeriodConnection = connectionOf("IdlePeriod", IdlePeriod)
