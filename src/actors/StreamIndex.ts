import type { Silence } from "../domain/Event.js"
import type { Partition } from "../domain/Partition.js"
import type { Position } from "../domain/Position.js"
import type { Merchant } from "./Merchant.js"

/** The latest fact about a client's presence: reported idle, or returned since. */
export interface PresenceFact {
  /** Of the silence that lasts; undefined when the client has returned. */
  readonly silence?: Silence
  readonly position: Position
}

/** What actors recover from. */
export interface StreamEntry {
  /** Of the stream's last event. */
  readonly revision: number
  /** Of merchants' streams only. */
  readonly merchant?: Merchant
  /** Undefined for a client that was never idle, or a merchant that never fell silent. */
  readonly presence?: PresenceFact
}

/** A part of one stream that the log has: consecutive events. */
export interface Stored {
  readonly stream: string
  readonly partition: Partition
  /** Of the last of them. */
  readonly revision: number
  readonly position: Position
  readonly recordedAt: number
  readonly eventIds: ReadonlyArray<string>
  /** The merchant after them; for every merchant's stream. */
  readonly merchant?: Merchant
  /** Whether they changed it. */
  readonly merchantChanged?: boolean
  /** The latest fact; for every stream that has one. */
  readonly presence?: PresenceFact
}

/** Names one stored event, so that another log is told from this one even where positions agree. */
export interface Mark {
  readonly stream: string
  readonly revision: number
  readonly eventId: string
  readonly recordedAt: number
}

/** An append that was sent and whose outcome is not known yet. */
export interface Ticket {
  readonly floor: Position
  readonly mark: Mark | undefined
}

/**
 * The fold of the log that actors recover from: every stream's revision, every event's id, merchants'
 * state, and each partition's recording clock. It lags behind the log on disk, never in memory.
 *
 * What is on disk is always a prefix: everything in the log up to the checkpoint is in it, and a replay
 * from the checkpoint adds the rest, whatever part of it was there already. To keep that true while
 * appends of many partitions complete out of order, each is announced before it is sent: the
 * checkpoint never passes what was the end of the log before the oldest append in flight.
 */
export interface StreamIndex {
  readonly find: (stream: string) => StreamEntry | undefined
  readonly has: (eventId: string) => boolean
  /** The greatest recording time of the partition, epoch milliseconds; 0 before its first event. */
  readonly clock: (partition: Partition) => number
  /** Everything of the partition up to here is in the index. */
  readonly positionOf: (partition: Partition) => Position
  /** Greatest position of anything recorded: at or beyond every event in the index. */
  readonly latest: () => Position
  /** An event at or before every partition's position. */
  readonly mark: () => Mark | undefined

  readonly begin: () => Ticket
  readonly end: (ticket: Ticket) => void
  /** Seen by `find`, `has` and `clock` at once, on disk soon. Twice is as good as once. */
  readonly record: (stored: Stored) => void
  /** A held partition is written through this index: its position moves with the checkpoint. */
  readonly hold: (partition: Partition) => void
  readonly release: (partition: Partition) => void
  /** Of partitions that are not held: the log was read up to here. */
  readonly readUpTo: (partitions: ReadonlyArray<Partition>, position: Position) => void

  /** False while too much waits to be written: stop recording until `whenRoom` calls back. */
  readonly hasRoom: () => boolean
  readonly whenRoom: (resume: () => void) => void
  /** Number of ids that are in memory only. */
  readonly backlog: () => number
  /** Everything recorded so far is handed to the operating system. */
  readonly flush: () => Promise<void>
  /** Forgets everything, on disk too. */
  readonly clear: () => Promise<void>
  readonly close: () => Promise<void>
}
