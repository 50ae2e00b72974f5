import { crc32 } from "node:zlib"
import type { Metadata, RecordedEvent } from "../../domain/Event.js"
import { fromNumber } from "../../domain/Position.js"
import { LogDamaged } from "../EventLog.js"

/** CRC-32 of everything that a row says, so that no damaged byte is taken for an event. */
export const checksum = (
  sequence: number,
  stream: string,
  revision: number,
  id: string,
  event: string,
  metadata: string,
): number => crc32(`${sequence}\n${revision}\n${stream}\n${id}\n${event}\n${metadata}`)

export const damaged = (place: string, what = "its checksum does not match"): LogDamaged =>
  new LogDamaged({ place, reason: `${what}. Restore the log from a backup` })

/** sequence, stream id, revision, event id, event, metadata, checksum */
export type Row = readonly [number, number, number, string, string, string, number]

/** The same with the name of its stream, null where that is missing. */
export type NamedRow = readonly [...Row, string | null]

export const columns = "sequence, stream, revision, events.id, event, metadata, checksum"

const RECORDED_AT = '{"recordedAt":'
/** Of a whole number that is exact. */
const MOST_DIGITS = 15

/** The whole number in a part of a text; undefined for anything else. */
const numberIn = (text: string, from: number, to: number): number | undefined => {
  if (to <= from || to - from > MOST_DIGITS) return undefined
  let number = 0
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return undefined
    number = number * 10 + digit
  }
  return number
}

/**
 * What the text of metadata says. Nearly always it says the same as the one before but for the recording time, which
 * comes first: only that is read then.
 */
const metadataReader = (): ((text: string) => Metadata) => {
  let lastRest = ""
  let others: Partial<Metadata> = {}
  return (text) => {
    const at = text.startsWith(RECORDED_AT) ? text.indexOf(",", RECORDED_AT.length) : -1
    const recordedAt = numberIn(text, RECORDED_AT.length, at)
    if (recordedAt === undefined) return JSON.parse(text)
    const rest = text.slice(at + 1)
    if (rest !== lastRest) {
      others = JSON.parse(`{${rest}`)
      lastRest = rest
    }
    return { recordedAt, ...others } as Metadata
  }
}

export const metadataOf = metadataReader()

/** The event in a row; throws LogDamaged when the row is not what was written. */
export const decodeRow = (row: Row | NamedRow, stream: string, file: string): RecordedEvent => {
  const [sequence, , revision, eventId, event, metadata, expected] = row
  if (checksum(sequence, stream, revision, eventId, event, metadata) !== expected)
    throw damaged(`${file}, event ${sequence} (${stream}, revision ${revision})`)
  return {
    eventId,
    event: JSON.parse(event),
    metadata: metadataOf(metadata),
    stream,
    revision,
    position: fromNumber(sequence),
  }
}
