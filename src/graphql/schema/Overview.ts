import type { Overview as OverviewData } from "../../queries/OverviewQueries.js"
import { builder } from "../Builder.js"
import { run } from "../Errors.js"
import { AsOf } from "./AsOf.js"
import { Money } from "./Money.js"
import { OverviewSeries } from "./OverviewSeries.js"

export const Overview = builder.objectRef<OverviewData>("Overview").implement({
  description: "All merchants together.",
  fields: (t) => ({
    merchants: t.exposeFloat("merchants", { description: "Merchants that there are, now." }),
    activeMerchants: t.exposeFloat("activeMerchants", {
      description:
        "Merchants with at least one event in the range, widened to whole hours; `request` events do not count. Exact up to 1,024 in each of 256 parts of the merchants, beyond that with a standard error of 0.81 %.",
    }),
    activeClients: t.float({
      description:
        "Clients in state ACTIVE now, of all merchants and of none, each by its own merchant's idle time. `NOT_YET` while they are counted for the first time after a start.",
      resolve: ({ activeClients }) => run(activeClients),
    }),
    series: t.expose("series", {
      type: [OverviewSeries],
      description:
        "One series for each metric that has a meaning over all merchants: all but GROSS_VOLUME, REFUND_VOLUME, NET_VOLUME and AVERAGE_ORDER_VALUE, as currencies are never added up. VISITORS counts a client once for each merchant that it visits, and is there for HOUR and longer; ratios are made of the sums over all merchants.",
    }),
    volumes: t.expose("volumes", {
      type: [Money],
      description:
        "Sum of the payments in the range, widened to whole hours: one amount for each currency, in order of their codes.",
    }),
    asOf: t.expose("asOf", {
      type: AsOf,
      description:
        "How fresh the numbers of the range are, where they are oldest. `merchants` and `activeClients` are of the moment.",
    }),
  }),
})
