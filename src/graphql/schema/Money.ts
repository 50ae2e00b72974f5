import type { Money as MoneyData } from "../../queries/OverviewQueries.js"
import { builder } from "../Builder.js"

export const Money = builder.objectRef<MoneyData>("Money").implement({
  description: "An amount in one currency.",
  fields: (t) => ({
    currency: t.expose("currency", { type: "Currency", description: "The currency." }),
    amount: t.exposeFloat("amount", { description: "The amount in minor units of the currency." }),
  }),
})
