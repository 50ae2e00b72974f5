import { UsualWeek } from "./usualWeek.js"

/**
 * Every silence of a merchant, by an implementation that shares nothing with the program's: it knows what was sent and
 * what was set, in log order, and keeps all of it. Written from the sentences of docs/idle.md.
 */
export type SilenceInput =
  | { readonly _tag: "Sent"; readonly at: number; readonly recordedAt: number }
  | {
      readonly _tag: "Set"
      readonly recordedAt: number
      /** What holds from here on. */
      readonly seconds: number
      readonly isLearned: boolean
      readonly zone: string
    }

export interface OracleSilence {
  readonly lastActivityAt: number
  readonly afterMs: number
  /** It was to be reported from this recording time on, not before. */
  readonly dueAt: number
  /** Recording time of what ended it; undefined for what lasts, or was forgotten. */
  readonly endedAt: number | undefined
  readonly historical: boolean
}

interface Mark {
  readonly at: number
  readonly recordedAt: number
}

export const silencesOf = (log: ReadonlyArray<SilenceInput>, end: number): ReadonlyArray<OracleSilence> => {
  const found: Array<OracleSilence> = []
  let last: Mark | undefined
  let open: OracleSilence | undefined
  let seconds = 0
  let week: UsualWeek | undefined
  /** When what holds now began to hold, if that was after the last activity. */
  let since = 0

  const after = (): number => week?.afterMs ?? (seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000)
  const report = (historical: boolean, dueAt: number): void => {
    if (last === undefined || open !== undefined) return
    const afterMs = after()
    const isOld = historical || last.at + afterMs <= last.recordedAt
    open = { lastActivityAt: last.at, afterMs, dueAt, endedAt: undefined, historical: isOld }
  }
  const clock = (now: number): void => {
    if (last !== undefined && last.recordedAt + after() <= now)
      report(false, Math.max(since, last.recordedAt + after()))
  }
  const close = (endedAt: number | undefined): void => {
    if (open !== undefined) found.push({ ...open, endedAt })
    open = undefined
  }

  for (const one of log) {
    clock(one.recordedAt)
    if (one._tag === "Set") {
      since = one.recordedAt
      seconds = one.seconds
      if (!one.isLearned) week = undefined
      else if (week === undefined) week = new UsualWeek(one.zone, one.recordedAt)
      else if (week.zone !== one.zone)
        week.move(one.zone, open === undefined && last ? last.recordedAt : one.recordedAt)
      if (seconds === 0 && week === undefined) {
        close(undefined)
        last = undefined
      } else last ??= { at: one.recordedAt, recordedAt: one.recordedAt }
      continue
    }
    const at = Math.min(one.at, one.recordedAt)
    if (last === undefined) continue
    if (open === undefined && at - last.at >= after()) report(true, one.recordedAt)
    if (at <= last.at) continue
    week?.hear(at, one.recordedAt, last.recordedAt, open !== undefined)
    close(one.recordedAt)
    last = { at, recordedAt: one.recordedAt }
    since = 0
  }
  clock(end)
  close(undefined)
  return found
}
