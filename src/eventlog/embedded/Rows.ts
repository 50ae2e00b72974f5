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

/**
 * The text that the checksum is of, where SQLite puts it together: that takes a fraction of the time. It would take
 * bytes for a text, and so miss that a column is not what was written.
 */
const checkedText = `CASE WHEN typeof(revision) = 'integer' AND typeof(streams.name) = 'text'
  AND typeof(events.id) = 'text' AND typeof(event) = 'text' AND typeof(metadata) = 'text'
  THEN ${["sequence", "revision", "streams.name", "events.id", "event", "metadata"].join(" || char(10) || ")} END`

/**
 * sequence, checksum, bytes of the event id, of the event and of the metadata, the text that the checksum is of. Until
 * it is checked the text may be null: the stream is missing, or a column is of another type.
 */
export type CheckedRow = readonly [number, number, number, number, number, string]

/** Of `events LEFT JOIN streams`. */
export const checkedColumns = `sequence, checksum, octet_length(events.id), octet_length(event), octet_length(metadata), ${checkedText}`

export const damaged = (place: string, what = "its checksum does not match"): LogDamaged =>
  new LogDamaged({ place, reason: `${what}. Restore the log from a backup` })

/** Throws LogDamaged when the row is not what was written. */
export const check = (row: CheckedRow, file: string): void => {
  const sequence = row[0]
  const text = row[5]
  if ((text as string | null) === null)
    throw damaged(`${file}, event ${sequence}`, "its stream is missing, or a part of it is not text")
  if (crc32(text) !== row[1]) throw damaged(`${file}, event ${sequence}`)
}

/** Where the name of the stream begins in the text. */
export const streamIn = (row: CheckedRow): number => row[5].indexOf("\n", row[5].indexOf("\n") + 1) + 1

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

/** It comes last, and has no line break in it: it is JSON. */
export const metadataIn = (row: CheckedRow): Metadata =>
  metadataOf(row[5].slice(row[5].lastIndexOf("\n") + 1))

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
