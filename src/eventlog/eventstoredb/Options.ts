/** Which server, which part of it, and bounds that rarely need changing. Times are in milliseconds. */
export interface EventStoreLogOptions {
  /** `esdb://user:password@host:2113?tls=true&tlsCaFile=…`, or `esdb+discover://…` for a cluster. */
  readonly connection: string
  /**
   * Only streams whose name begins with one of these are this log's: a server may have others. All but the
   * server's own (`$…`) when missing.
   */
  readonly streams?: ReadonlyArray<string>
  /** Put in front of every stream's name on the server, and of `streams`; nothing when missing. */
  readonly prefix?: string
  /** An append without an answer for so long is sent again. */
  readonly attemptMs?: number
  /** What gave no answer for so long, whatever was tried, fails as unavailable. */
  readonly deadlineMs?: number
  /** Bounds of what is on its way to the server; more waits. */
  readonly appendsInFlight?: number
  readonly bytesInFlight?: number
  /** A subscriber that was told nothing for so long looks whether there is anything that it should have been told. */
  readonly quietMs?: number
  /** Told why the server can't be used, again and again while that is so, and `undefined` when it can again. */
  readonly onTrouble?: (reason: string | undefined) => void
}

export interface Tuning extends Required<Omit<EventStoreLogOptions, "streams" | "prefix">> {
  /** As the names are on the server. */
  readonly streams: ReadonlyArray<string> | undefined
}

export const tuningOf = ({ prefix = "", streams, ...options }: EventStoreLogOptions): Tuning => ({
  attemptMs: 2_000,
  deadlineMs: 5_000,
  appendsInFlight: 1_000,
  bytesInFlight: 16 * 1024 * 1024,
  quietMs: 250,
  onTrouble: () => {},
  ...options,
  streams: prefix === "" ? streams : (streams ?? [""]).map((name) => prefix + name),
})
