import type { EventSender } from "../client/EventSender.js"
import type { OutgoingEvent } from "./Format.js"
import type { Place } from "./Records.js"

/** Most events of a request, and bytes of it: a request of these takes a tenth of a second. */
const LANE_EVENTS = 2_500
const LANE_BYTES = 2 * 1024 * 1024
/** Requests under way at a time. */
const LANES = 4
/** Records after which a round ends whatever they gave, so that the place to go on from moves. */
const ROUND_RECORDS = 50_000

/** Something to report about one record. */
export interface Report extends Place {
  readonly reason: string
  /** The record's fields, when they could be told apart. */
  readonly fields?: ReadonlyArray<string>
}

interface Origin extends Place {
  readonly fields?: ReadonlyArray<string>
}

export interface RoundResult {
  readonly accepted: number
  readonly duplicates: number
  /** By line. */
  readonly rejected: ReadonlyArray<Report>
}

const laneOf = (merchantId: string): number => {
  let hash = 0
  for (let at = 0; at < merchantId.length; at += 1) hash = (hash * 31 + merchantId.charCodeAt(at)) | 0
  return (hash >>> 0) % LANES
}

/**
 * The events of some records on end, one request for each lane. A merchant's events are all in one lane and
 * rounds follow one another, so that their order is kept, whatever has to be repeated.
 */
export class Round {
  records = 0
  private readonly lanes = Array.from({ length: LANES }, () => ({
    events: [] as string[],
    origins: [] as Origin[],
    bytes: 0,
  }))
  private full = false

  add(event: OutgoingEvent, origin: Origin): void {
    const lane = this.lanes[laneOf(event.merchantId)] as (typeof this.lanes)[number]
    lane.events.push(event.json)
    lane.origins.push(origin)
    lane.bytes += event.json.length
    if (lane.events.length >= LANE_EVENTS || lane.bytes >= LANE_BYTES) this.full = true
  }

  get isFull(): boolean {
    return this.full || this.records >= ROUND_RECORDS
  }

  get size(): number {
    return this.lanes.reduce((sum, { events }) => sum + events.length, 0)
  }

  async send(sender: Pick<EventSender, "send">): Promise<RoundResult> {
    const results = await Promise.all(
      this.lanes
        .filter(({ events }) => events.length > 0)
        .map(async ({ events, origins }) => ({ origins, sent: await sender.send(events) })),
    )
    return {
      accepted: results.reduce((sum, { sent }) => sum + sent.accepted, 0),
      duplicates: results.reduce((sum, { sent }) => sum + sent.duplicates, 0),
      rejected: results
        .flatMap(({ origins, sent }) =>
          sent.rejected.map(({ index, code, message }) => ({
            ...(origins[index] as Origin),
            reason: `${code}: ${message}`,
          })),
        )
        .sort((a, b) => a.offset - b.offset),
    }
  }
}
