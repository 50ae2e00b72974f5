import { crc32 } from "node:zlib"
import type { RecordedEvent } from "../../domain/Event.js"
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

/** sequence, stream id, revision, event id, event, metadata, checksum */
export type Row = readonly [number, number, number, string, string, string, number]

export const columns = "sequence, stream, revision, id, event, metadata, checksum"

/** The event in a row; throws LogDamaged when the row is not what was written. */
export const decodeRow = (row: Row, stream: string, file: string): RecordedEvent => {
  const [sequence, , revision, eventId, event, metadata, expected] = row
  if (checksum(sequence, stream, revision, eventId, event, metadata) !== expected)
    throw new LogDamaged({
      place: `${file}, event ${sequence} (${stream}, revision ${revision})`,
      reason: "its checksum does not match. Restore the log from a backup",
    })
  return {
    eventId,
    event: JSON.parse(event),
    metadata: JSON.parse(metadata),
    stream,
    revision,
    position: fromNumber(sequence),
  }
}
