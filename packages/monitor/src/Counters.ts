/** What became of the requests since the monitor was opened. `noted` = `spooled` + `dropped` + what is in memory. */
export interface Counters {
  /** Requests seen and not ignored. */
  noted: number
  /** On the spool: a crash of this process does not lose them. */
  spooled: number
  /** Taken by Tidemark, those of earlier processes' spool included. */
  accepted: number
  /** Tidemark had them already: sent again after an answer that was lost. */
  duplicates: number
  /** Refused by Tidemark for what they are; each is in its quarantine. */
  rejected: number
  /** Given up because memory or spool was full, or because a client id made a line of more than 32 Ki characters. */
  dropped: number
  /** Pieces of lines on the spool that a crash or a damaged disk left. */
  damaged: number
  /** Calls of the application's own functions that threw. */
  failedOptions: number
  /** POSTs answered with what counts, and those that have to be made again. */
  batches: number
  failures: number
  /** Bytes on the spool that Tidemark has not taken yet. */
  waitingBytes: number
}

export const noCounters = (): Counters => ({
  ...{ noted: 0, spooled: 0, accepted: 0, duplicates: 0, rejected: 0, dropped: 0, damaged: 0 },
  ...{ failedOptions: 0, batches: 0, failures: 0, waitingBytes: 0 },
})
