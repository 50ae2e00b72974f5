/** Counters since the start of the process, for `/metrics`. */
export interface CollectStats {
  readonly requestsByStatus: Readonly<Record<string, number>>
  readonly accepted: number
  readonly duplicates: number
  readonly rejectedByCode: Readonly<Record<string, number>>
  /** Bytes of bodies as they came in. */
  readonly bytesReceived: number
  /** Bytes of bodies held now, as inflated. */
  readonly bytesInMemory: number
  readonly requestsInFlight: number
}

/** The same while it is being counted: plain numbers, as this is the hottest path. */
export class CollectCounters {
  readonly statuses = new Map<number, number>()
  readonly codes = new Map<string, number>()
  accepted = 0
  duplicates = 0
  bytesReceived = 0
  bytesInMemory = 0
  requestsInFlight = 0

  status(status: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
  }

  rejected(code: string): void {
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1)
  }

  stats(): CollectStats {
    return {
      requestsByStatus: Object.fromEntries(this.statuses),
      accepted: this.accepted,
      duplicates: this.duplicates,
      rejectedByCode: Object.fromEntries(this.codes),
      bytesReceived: this.bytesReceived,
      bytesInMemory: this.bytesInMemory,
      requestsInFlight: this.requestsInFlight,
    }
  }
}
