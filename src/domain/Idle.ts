import type { Return, Silence } from "./Event.js"

// What it means that someone is silent, as pure functions: DESIGN's rule and nothing else. `docs/idle.md` tells it.
// Instants are epoch ms. One rule for clients and for merchants.

/** Someone who is not idle. */
export interface Active {
  /** The greatest activity time so far. */
  readonly at: number
  /** When the event that made `at` what it is was recorded. */
  readonly recordedAt: number
}

/** Someone who was reported: the silence that lasts. */
export interface Idle {
  readonly silence: Silence
}

/** Undefined for someone who was never seen. */
export type Presence = Active | Idle | undefined

export const isIdle = (presence: Presence): presence is Idle =>
  presence !== undefined && "silence" in presence

/** An event's own time, capped at its recording: nobody is active in the future. */
export const activityTime = (at: number, recordedAt: number): number => Math.min(at, recordedAt)

const silenceOf = ({ at, recordedAt }: Active, afterMs: number, historical: boolean): Silence => ({
  lastActivityAt: at,
  lastRecordedAt: recordedAt,
  idleSince: at + afterMs,
  afterMs,
  historical,
})

/** When the recording clock reaches this the silence is to be reported. */
export const deadlineOf = ({ recordedAt }: Active, afterMs: number): number => recordedAt + afterMs

/** The silence to be reported because the recording clock stands at `clock`; undefined when it is too early. */
export const silenceAt = (active: Active, clock: number, afterMs: number): Silence | undefined =>
  clock >= deadlineOf(active, afterMs)
    ? silenceOf(active, afterMs, active.at + afterMs <= active.recordedAt)
    : undefined

/** What an event changes: in this order, the silence before it, the return by it, and what is then. */
export interface Touch {
  readonly silence: Silence | undefined
  readonly return: Return | undefined
  readonly next: Active | Idle
}

/** @param at activity time of the event; @param recordedAt the recording clock, which is the event's recording time. */
export const touch = (presence: Presence, at: number, recordedAt: number, afterMs: number): Touch => {
  const now: Active = { at, recordedAt }
  if (presence === undefined) return { silence: undefined, return: undefined, next: now }
  if (isIdle(presence)) return returning(presence, now, undefined)
  const due = silenceAt(presence, recordedAt, afterMs)
  if (due !== undefined) return returning({ silence: due }, now, due)
  if (at >= presence.at + afterMs) {
    const past = silenceOf(presence, afterMs, true)
    return returning({ silence: past }, now, past)
  }
  return { silence: undefined, return: undefined, next: at > presence.at ? now : presence }
}

const returning = (idle: Idle, now: Active, reported: Silence | undefined): Touch => {
  const { lastActivityAt, idleSince, historical } = idle.silence
  if (now.at <= lastActivityAt) return { silence: reported, return: undefined, next: idle }
  const returnedAt = Math.max(now.at, idleSince)
  return {
    silence: reported,
    return: { lastActivityAt, idleSince, returnedAt, activityAt: now.at, historical },
    next: now,
  }
}
