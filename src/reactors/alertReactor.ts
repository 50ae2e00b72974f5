import type { Reactor } from "../processors/Reactor.js"
import { type Alert, type AlertKind, alertOf } from "./Alert.js"
import type { AlertNotDelivered, AlertTarget } from "./AlertTarget.js"

/**
 * The reactor that serves one target: each has its own, so that one that is out of reach does not hold up the others.
 * It keeps no state: what to say stands in the event. What was recorded before it first ran, and replays, give nothing
 * (`processors/Reactor.ts`).
 */
export const alertReactor = (
  target: AlertTarget,
  asked: ReadonlySet<AlertKind>,
): Reactor<Alert, AlertNotDelivered> => ({
  name: `alerts-${target.name}`,
  version: 1,
  collections: [],
  decide: (event) => {
    const alert = alertOf(event, asked)
    return alert === undefined ? [] : [alert]
  },
  // An id goes into headers and logs: without spaces it can be searched for.
  act: ({ id, what }) => target.deliver(id.replaceAll(" ", "-"), what),
})
