import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { max, type Position, start } from "../../domain/Position.js"
import type { LogError } from "../EventLog.js"
import type { Lanes } from "./Lanes.js"
import { readAll } from "./Reading.js"

/** Where the log ends, as far as is known: positions that were appended or read are never beyond it. */
export class Tail {
  private known: Position = start
  /** Everything up to here was looked at. */
  private scanned: Position = start
  private askedAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly lanes: Lanes,
    private readonly deadlineMs: number,
    private readonly streams: ReadonlyArray<string> | undefined,
  ) {}

  /** The last event of the log that anyone here has heard of. */
  get atLeast(): Position {
    return this.known
  }

  /** An event of the log lies here. */
  saw(position: Position): void {
    this.known = max(this.known, position)
  }

  /**
   * The position of the log's last event. The server has others behind it, so it is looked for backwards, no
   * further than the last search began.
   */
  readonly head: Effect.Effect<Position, LogError> = Effect.suspend(() => {
    let first: Position | undefined
    const asked = performance.now()
    return readAll(this.lanes, this.deadlineMs, this.streams, {
      direction: "backwards",
      limit: 1,
      bound: this.scanned,
      seen: (position) => {
        first ??= position
      },
    }).pipe(
      Stream.runFold(start, (head, events) => max(head, events[0]?.position ?? start)),
      Effect.map((head) => {
        if (first !== undefined) this.scanned = max(this.scanned, first)
        this.saw(head)
        this.askedAt = Math.max(this.askedAt, asked)
        return this.known
      }),
    )
  })

  /** The same, asked at most so long ago. */
  recent(maxAgeMs: number): Effect.Effect<Position, LogError> {
    return Effect.suspend(() =>
      performance.now() - this.askedAt <= maxAgeMs ? Effect.succeed(this.known) : this.head,
    )
  }
}
