import type { Counts } from "./State.js"

export interface Summary {
  /** Over all runs of this import. */
  readonly counts: Counts
  readonly unit: string
  /** Of this run. */
  readonly seconds: number
  /** Events that earlier runs sent. */
  readonly before: number
}

export const linesOf = ({ counts, unit, seconds, before }: Summary): ReadonlyArray<string> => [
  `${`${unit}s`.padEnd(12)}${counts.records}`,
  `unreadable  ${counts.unreadable}`,
  `events      sent ${counts.sent}, accepted ${counts.accepted}, duplicates ${counts.duplicates}, rejected ${counts.rejected}`,
  ...Object.entries(counts.notes).map(([name, count]) => `note        ${count} ${name}`),
  `time        ${seconds.toFixed(1)} s, ${Math.round((counts.sent - before) / Math.max(seconds, 0.001))} events/s`,
  ...(before === 0 ? [] : [`            ${before} of the events were sent by earlier runs`]),
]

export const printSummary = (summary: Summary, json: boolean): void => {
  const { counts, unit, seconds } = summary
  const { records, ...rest } = counts
  console.log(
    json ? JSON.stringify({ [`${unit}s`]: records, ...rest, seconds }) : linesOf(summary).join("\n"),
  )
}
