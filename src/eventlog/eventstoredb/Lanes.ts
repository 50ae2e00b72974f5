import type { Client } from "./ClientModule.js"

/** The server serves 100 calls on a connection, and lets every other wait without a word. */
const CALLS = 80

interface Lane {
  readonly client: Client
  calls: number
  /** Nothing new is begun on it. */
  broken: boolean
}

/** A connection for one call, until it is given back. */
export interface Use {
  readonly client: Client
  /** @param broken the connection gave no answer: whoever comes next gets another. */
  readonly release: (broken?: boolean) => void
}

/**
 * Connections for reads and subscriptions, as many as the calls that are open need. Appends have one of their
 * own, so that neither holds up the other.
 */
export class Lanes {
  private lanes: Array<Lane>
  private closed = false

  /** @param connect one more, when those that there are have enough calls. */
  constructor(
    first: Client,
    private readonly connect: () => Client,
  ) {
    this.lanes = [{ client: first, calls: 0, broken: false }]
  }

  take(): Use {
    let lane = this.lanes.find((one) => !one.broken && one.calls < CALLS)
    if (lane === undefined) {
      lane = { client: this.connect(), calls: 0, broken: false }
      this.lanes.push(lane)
    }
    const taken = lane
    taken.calls++
    let released = false
    return {
      client: taken.client,
      release: (broken = false) => {
        if (released) return
        released = true
        taken.calls--
        if (broken) taken.broken = true
        if (taken.calls === 0 && (taken.broken || this.lanes.indexOf(taken) > 0)) this.drop(taken)
      },
    }
  }

  async close(): Promise<void> {
    this.closed = true
    const lanes = this.lanes
    this.lanes = []
    await Promise.all(lanes.map(({ client }) => client.dispose()))
  }

  private drop(lane: Lane): void {
    if (this.closed) return
    this.lanes = this.lanes.filter((one) => one !== lane)
    void lane.client.dispose()
  }
}
