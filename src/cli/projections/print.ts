import type { BuildShown, ProjectionShown } from "./Client.js"

/** Milliseconds or seconds as a person says them. */
export const duration = (ms: number): string => {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours < 72 ? `${hours} h` : `${Math.round(hours / 24)} days`
}

const count = (value: number): string => Math.round(value).toLocaleString("en-US")

const remarks = (build: BuildShown): ReadonlyArray<string> => [
  ...(build.state === "SERVING" && !build.isDeployed ? ["its code is not deployed: it stays as it is"] : []),
  ...(build.isCodeChanged ? ["its code was changed under its version"] : []),
  ...(build.deadLetters === 0
    ? []
    : [
        `${build.deadLetters} merchants wait behind an event that it could not fold: dead-letters shows them`,
      ]),
  ...(build.failure === null ? [] : [build.failure]),
]

const lineOf = (build: BuildShown): ReadonlyArray<string> => [
  `  ${build.id}`,
  build.merchantId === null ? build.definition : `${build.definition} of ${build.merchantId}`,
  build.state,
  `${(build.progress * 100).toFixed(1)} %`,
  build.lagMs === 0 ? "up to date" : `${duration(build.lagMs)} behind`,
  build.eventsPerSecond === 0 ? "" : `${count(build.eventsPerSecond)} events/s`,
  build.etaSeconds === null || build.etaSeconds === 0 ? "" : `${duration(build.etaSeconds * 1_000)} left`,
]

/** Columns as wide as their widest entry. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  )
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  )
}

/** A projection with its builds, for people. */
export const linesOf = (projection: ProjectionShown): ReadonlyArray<string> => {
  const { name, pausedBy, lastCommand, builds } = projection
  const lines = table(builds.map(lineOf))
  const paused = pausedBy === null ? "" : `, paused by ${pausedBy.by} at ${pausedBy.at}`
  return [
    `${name}${paused}`,
    ...lines.flatMap((line, index) => [
      line,
      ...remarks(builds[index] as BuildShown).map((remark) => `      ${remark}`),
    ]),
    ...(lastCommand === null ? [] : [`  ${lastCommand.by} ${lastCommand.what} at ${lastCommand.at}`]),
  ]
}
