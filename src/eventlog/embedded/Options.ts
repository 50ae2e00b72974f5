/** Where the log is, and bounds that rarely need changing. */
export interface EmbeddedLogOptions {
  readonly directory: string
  /** Milliseconds that the writer waits before each commit: makes the log slow, for fault tests. */
  readonly slowdownMs?: number
  /** An append without an answer for so long fails, its outcome unknown. */
  readonly deadlineMs?: number
  /** Appends that may wait for the writer, in events and in characters of their texts; more are turned away. */
  readonly waitingEvents?: number
  readonly waitingChars?: number
  /** What one listening thread may have under way, and one subscriber waiting, before it is served from disk. */
  readonly liveEvents?: number
  readonly liveChars?: number
  /** Pages in the write-ahead log that start a checkpoint. */
  readonly checkpointPages?: number
  /** A log of at most so many events has its structure checked when it is opened. */
  readonly checkOnOpenEvents?: number
  /** Messages to the writer at a time. More keep it busier, fewer gather more appends into one sync. */
  readonly messagesUnderWay?: number
  /** Size that the main file may reach, in pages of 4 KiB; beyond it the disk counts as full. 0: no bound. */
  readonly maxPages?: number
}

export type Tuning = Required<EmbeddedLogOptions>

export const tuningOf = (options: EmbeddedLogOptions): Tuning => ({
  slowdownMs: 0,
  deadlineMs: 10_000,
  waitingEvents: 100_000,
  waitingChars: 64 * 1024 * 1024,
  liveEvents: 20_000,
  liveChars: 16 * 1024 * 1024,
  checkpointPages: 5_000,
  checkOnOpenEvents: 20_000,
  messagesUnderWay: 1,
  maxPages: 0,
  ...options,
})
