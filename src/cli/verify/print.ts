import type { VerifyReport } from "../../processors/Verify.js"

const text = (value: unknown): string => {
  const json = value === undefined ? "nothing" : JSON.stringify(value)
  return json.length > 300 ? `${json.slice(0, 300)}…` : json
}

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`

/** The report as lines for people. */
export const linesOf = (report: VerifyReport): ReadonlyArray<string> => [
  `${plural(report.events, "event")} folded afresh.`,
  ...report.builds.map(
    ({ build, position, documents, differences }) =>
      `${build}: ${plural(documents, "document")} at position ${position}, ${differences === 0 ? "all equal" : `${differences} different`}`,
  ),
  ...report.builds.flatMap(({ build, deadLetters, foldedLate }) => [
    ...deadLetters.map(
      ({ merchantId, position, eventType, held, error }) =>
        `${build}: ${plural(held, "event")} of ${merchantId} ${held === 1 ? "waits" : "wait"} from position ${position} on, where ${eventType} could not be folded (${error}), and ${held === 1 ? "was" : "were"} left out here too`,
    ),
    ...(foldedLate === 0
      ? []
      : [
          `${build}: ${plural(foldedLate, "document")} of all merchants together in other bytes, as events that had waited were folded into them late: rebuild to have them equal too`,
        ]),
  ]),
  ...report.differences.flatMap(({ build, collection, key, stored, expected }) => [
    `${build} ${collection} ${key.join(" | ")}`,
    `  stored:   ${text(stored)}`,
    `  expected: ${text(expected)}`,
  ]),
  ...(report.differenceCount > report.differences.length
    ? [`… ${plural(report.differenceCount, "difference")} in all`]
    : []),
  ...report.logFaults.map(({ position, stream, what }) => `log, position ${position}, ${stream}: ${what}`),
  ...(report.logFaultCount > report.logFaults.length
    ? [`… ${plural(report.logFaultCount, "fault")} of the log in all`]
    : []),
  report.equal ? "All equal." : "Not equal: stop the server, and fold anew what differs.",
]
