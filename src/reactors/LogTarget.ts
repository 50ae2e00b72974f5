import * as Effect from "effect/Effect"
import { sentenceOf, wireForm } from "./Alert.js"
import type { AlertTarget } from "./AlertTarget.js"

/** One line of the log for each alert, with its parts as annotations. */
export const logTarget: AlertTarget = {
  name: "log",
  deliver: (id, alert) => {
    const { text: _, ...parts } = wireForm(id, alert)
    return Effect.logInfo(sentenceOf(alert)).pipe(Effect.annotateLogs(parts))
  },
}
