import type { DeadLetterOf } from "../../queries/DeadLetterQueries.js"
import { builder } from "../Builder.js"
import { connectionOf } from "./Connection.js"

export const DeadLetter = builder.objectRef<DeadLetterOf>("DeadLetter").implement({
  description: "An event that a projection could not fold. What is later of its merchant waits behind it.",
  fields: (t) => ({
    position: t.expose("position", { type: "Position", description: "Where the event lies in the log." }),
    merchantId: t.exposeID("merchantId", { description: "Whose event it is, and who waits." }),
    eventType: t.exposeString("eventType", { description: "Its type." }),
    error: t.exposeString("error", { description: "What the fold said." }),
    parkedAt: t.expose("parkedAt", { type: "DateTime", description: "When it was set aside, last." }),
    waiting: t.float({
      description: "How many events of the merchant wait behind it.",
      resolve: ({ held }) => held - 1,
    }),
    build: t.exposeID("build", { description: "The build that could not fold it." }),
    retrying: t.boolean({
      description: "Whether what waits is being folded now.",
      resolve: ({ retrying }) => retrying === true,
    }),
  }),
})

export const DeadLetterConnection = connectionOf("DeadLetter", DeadLetter)
