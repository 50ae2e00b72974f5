import { isActivity, type RecordedEvent, SystemType } from "../../src/domain/Event.js"
import { type OracleSilence, type SilenceInput, silencesOf } from "./silenceOracle.js"

/** What was sent for each merchant, and what was set for its watch, in log order: all that the oracle may know. */
export const rawOfMerchants = (
  log: ReadonlyArray<RecordedEvent>,
): ReadonlyMap<string, ReadonlyArray<SilenceInput>> => {
  const found = new Map<string, Array<SilenceInput>>()
  const settings = new Map<string, Record<string, unknown>>()
  for (const { event, metadata } of log) {
    const { merchantId, settings: change } = event.data
    const { recordedAt } = metadata
    const own = found.get(merchantId) ?? []
    found.set(merchantId, own)
    if (isActivity(event.type)) own.push({ _tag: "Sent", at: event.at, recordedAt })
    if (change === undefined) continue
    const all = { ...settings.get(merchantId), ...change }
    settings.set(merchantId, all)
    const { silentAfterSeconds: seconds = 0, silentAfter, timezone: zone = "UTC" } = all
    own.push({
      _tag: "Set",
      recordedAt,
      seconds: seconds as number,
      isLearned: silentAfter === "LEARNED",
      zone: zone as string,
    })
  }
  return found
}

/** The silences that the facts of a log tell. Throws when a merchant falls silent twice, or resumes twice. */
export const storedSilences = (
  log: ReadonlyArray<RecordedEvent>,
): ReadonlyMap<string, ReadonlyArray<OracleSilence>> => {
  const found = new Map<string, Array<OracleSilence>>()
  const open = new Map<string, OracleSilence>()
  const end = (merchantId: string, endedAt: number | undefined): void => {
    const silence = open.get(merchantId)
    if (silence === undefined) return
    open.delete(merchantId)
    found.set(merchantId, [...(found.get(merchantId) ?? []), { ...silence, endedAt }])
  }
  for (const { event, metadata } of log) {
    const { merchantId, silence, settings } = event.data
    if (event.type === SystemType.MerchantFellSilent && silence !== undefined) {
      if (open.has(merchantId)) throw new Error(`${merchantId} fell silent while it was`)
      const { lastActivityAt, afterMs, historical } = silence
      const dueAt = metadata.recordedAt
      open.set(merchantId, { lastActivityAt, afterMs, dueAt, endedAt: undefined, historical })
    } else if (event.type === SystemType.MerchantResumed) {
      if (!open.has(merchantId)) throw new Error(`${merchantId} resumed and was not silent`)
      end(merchantId, metadata.recordedAt)
    } else if (
      settings !== undefined &&
      settings.silentAfter !== "LEARNED" &&
      settings.silentAfterSeconds === 0
    )
      end(merchantId, undefined)
  }
  for (const merchantId of [...open.keys()]) end(merchantId, undefined)
  return found
}

/** Where the facts of a log and the oracle differ. A report may be later than it was due, never earlier. */
export const compareSilences = (log: ReadonlyArray<RecordedEvent>, end: number): ReadonlyArray<unknown> => {
  const stored = storedSilences(log)
  const differences: Array<unknown> = []
  for (const [merchantId, raw] of rawOfMerchants(log)) {
    const expected = silencesOf(raw, end)
    const own = stored.get(merchantId) ?? []
    for (let n = 0; n < Math.max(own.length, expected.length); n++) {
      const [one, other] = [own[n], expected[n]]
      const isSame =
        one !== undefined &&
        other !== undefined &&
        one.dueAt >= other.dueAt &&
        JSON.stringify({ ...one, dueAt: 0 }) === JSON.stringify({ ...other, dueAt: 0 })
      if (!isSame) differences.push({ merchantId, n, stored: one, expected: other })
    }
  }
  return differences
}
