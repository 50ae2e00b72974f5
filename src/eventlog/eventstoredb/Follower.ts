import type { AllStreamResolvedEvent, Position as ClientPosition } from "@eventstore/db-client"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../../domain/Event.js"
import { compare, max, min, type Position, start } from "../../domain/Position.js"
import { type LogBatch, LogDamaged, type LogError, type LogUnavailable } from "../EventLog.js"
import type { Client } from "./ClientModule.js"
import { fromClient } from "./Encoding.js"
import { troubleOf, unavailable } from "./Failure.js"
import type { Lanes, Use } from "./Lanes.js"
import { OpenCall, type Pull } from "./OpenCall.js"
import type { Tuning } from "./Options.js"
import { placeOf, positionOf } from "./Places.js"
import { isWanted, readAll } from "./Reading.js"
import type { Tail } from "./Tail.js"

/** Nothing that was not given before lies up to here. It takes its place among the events. */
interface Checkpoint {
  readonly checkpoint: Position
  /** An event may yet come that lies here: only what is before it was given. */
  readonly excluded: boolean
}

type Item = AllStreamResolvedEvent | Checkpoint

/** Events that wait in this process at most. */
const BUFFERED = { highWaterMark: 256 }
/** Events of others after which the server says how far it is. */
const WINDOW = 64
const FIRST_BACKOFF_MS = 20
const LONGEST_BACKOFF_MS = 2_000
/** A subscription that was quiet so many times though the log went on is not believed any more. */
const PATIENCE = 2

/** What the server leaves out for us: its own streams at least. */
const filterOf = (wanted: ReadonlyArray<string> | undefined) =>
  wanted === undefined ? { regex: "^[^$]" } : { prefixes: [...wanted] }

export interface FollowerServices {
  readonly lanes: Lanes
  readonly tail: Tail
  readonly tuning: Tuning
  readonly away: (reason: string) => void
}

/**
 * One subscriber. It owns its place, `at`: what comes again is left out, and after any kind of end it
 * subscribes again from there. Whatever the subscription says or fails to say, a subscriber that was told
 * nothing looks whether the log went on, reads what it was not told, and subscribes anew.
 */
class Follower {
  private use: Use | undefined
  private call: OpenCall<Item> | undefined
  /** Everything up to here was handed on, or is not wanted. */
  private at: Position
  /** The last event that was seen: there the server can be told to begin. */
  private lastEvent: Position | undefined
  private published: Position
  /** Everything before it was given; it is a place where the server can be told to read on. */
  private announced: Position | undefined
  private quiet = 0
  private backoff = FIRST_BACKOFF_MS
  private progressed = true

  constructor(
    private readonly services: FollowerServices,
    private readonly wanted: ReadonlyArray<string> | undefined,
    after: Position,
  ) {
    this.at = after
    this.published = after
  }

  /** Undefined when there is nothing to hand on yet. */
  readonly next: Effect.Effect<LogBatch | undefined, LogError> = Effect.suspend(() => {
    const { call } = this
    if (call === undefined) return this.subscribe
    return Effect.flatMap(
      Effect.async<Pull<Item>>((resume) => {
        const stop = call.pull(this.services.tuning.quietMs, (pull) => resume(Effect.succeed(pull)))
        return Effect.sync(stop)
      }),
      (pull) => this.took(pull),
    )
  })

  close(broken = false): void {
    this.call?.close()
    this.use?.release(broken)
    this.call = undefined
    this.use = undefined
  }

  /**
   * The server begins behind the first event at or after a place, which is the wrong one unless an event lies
   * there. A checkpoint need not be an event, so the event before it is looked up.
   */
  private readonly subscribe: Effect.Effect<undefined, LogError> = Effect.suspend(() => {
    const { lanes, tuning } = this.services
    if (this.at === start) return Effect.succeed(start)
    if (this.lastEvent === this.at) return Effect.succeed(this.at)
    let before: Position = start
    return readAll(lanes, tuning.deadlineMs, undefined, {
      direction: "backwards",
      from: this.at,
      seen: (position) => {
        before = max(before, position)
      },
      onlyFirst: true,
    }).pipe(
      Stream.runDrain,
      Effect.map(() => before),
    )
  }).pipe(
    Effect.flatMap((from) =>
      Effect.sync(() => {
        this.use = this.services.lanes.take()
        const source = this.open(this.use.client, from)
        this.call = new OpenCall<Item>(source, () => source.unsubscribe())
        this.quiet = 0
        return undefined
      }),
    ),
    Effect.catchTag("LogUnavailable", (error) => this.pause(error.reason)),
  )

  private open(client: Client, from: Position) {
    return client.subscribeToAll(
      {
        fromPosition: from === start ? "start" : placeOf(from),
        filter: {
          filterOn: "streamName",
          ...filterOf(this.wanted),
          maxSearchWindow: WINDOW,
          checkpointInterval: 1,
          // Put among the events, as those that came before may still wait to be taken. It must not throw:
          // the subscription would go on without a word.
          checkpointReached: (subscription, place: ClientPosition) => {
            const checkpoint = positionOf(place)
            if (checkpoint === undefined) return
            // An event has both positions equal. A checkpoint before one has a lower prepare position: it may be the
            // end of the log (25.0.0, KurrentDB's issue 4970), and the next event lies exactly there.
            const excluded = place.prepare < place.commit
            subscription.push({ checkpoint, excluded } satisfies Checkpoint)
          },
        },
      },
      BUFFERED,
    )
  }

  private took(pull: Pull<Item>): Effect.Effect<LogBatch | undefined, LogError> {
    switch (pull._tag) {
      case "Items":
        return Effect.suspend(() => {
          try {
            return this.batch(this.keep(pull.items))
          } catch (cause) {
            if (cause instanceof LogDamaged) return Effect.fail(cause)
            throw cause
          }
        })
      case "End":
        return this.ended("the subscription ended")
      case "Broken": {
        const trouble = troubleOf(pull.cause)
        if (trouble._tag !== "Passing") {
          this.close()
          return Effect.fail(unavailable(trouble))
        }
        return this.ended(trouble.reason)
      }
      case "Quiet":
        return this.lookAround
    }
  }

  private keep(items: ReadonlyArray<Item>): ReadonlyArray<RecordedEvent> {
    const events: Array<RecordedEvent> = []
    this.quiet = 0
    for (const item of items) {
      if ("checkpoint" in item) {
        this.reached(item)
        continue
      }
      const position = positionOf(item.event?.position)
      if (position === undefined || compare(position, this.at) <= 0) continue
      this.moveTo(position)
      this.lastEvent = position
      if (!isWanted(item.event?.streamId ?? "$", this.wanted)) continue
      const event = fromClient(item)
      if (event !== undefined) events.push(event)
    }
    const last = events.at(-1)
    if (last !== undefined) this.services.tail.saw(last.position)
    return events
  }

  /** What ends before a place says nothing of the place itself, but that the one announced before is behind. */
  private reached({ checkpoint, excluded }: Checkpoint): void {
    const { announced } = this
    if (!excluded) this.moveTo(checkpoint)
    else if (announced !== undefined && compare(announced, checkpoint) < 0) this.moveTo(announced)
    this.announced = checkpoint
  }

  private moveTo(position: Position): void {
    if (compare(position, this.at) <= 0) return
    this.at = position
    this.progressed = true
  }

  /** What is handed on is never beyond the head: a checkpoint may lie behind events of the server itself. */
  private batch(events: ReadonlyArray<RecordedEvent>): Effect.Effect<LogBatch | undefined, LogError> {
    const { tail, tuning } = this.services
    const known =
      compare(this.at, tail.atLeast) > 0
        ? tail.recent(tuning.quietMs).pipe(Effect.orElseSucceed(() => tail.atLeast))
        : Effect.succeed(tail.atLeast)
    return Effect.map(known, (head) => {
      const upTo = max(this.published, min(this.at, head))
      if (events.length === 0 && upTo === this.published) return undefined
      this.published = upTo
      return { events, upTo }
    })
  }

  /**
   * Nothing has come for a while. When the log has gone on meanwhile, what lies between is read: for a
   * subscriber of few streams it is mostly others' and only says how far the log is; anything else shows a
   * subscription that hangs.
   */
  private readonly lookAround: Effect.Effect<LogBatch | undefined, LogError> = Effect.suspend(() => {
    const { lanes, tail, tuning } = this.services
    return Effect.flatMap(tail.recent(tuning.quietMs), (head) => {
      if (compare(head, this.at) <= 0) {
        this.quiet = 0
        return compare(this.published, min(head, this.at)) < 0 ? this.batch([]) : Effect.succeed(undefined)
      }
      if (++this.quiet < PATIENCE) return Effect.succeed(undefined)
      const from = this.at
      return readAll(lanes, tuning.deadlineMs, this.wanted, {
        direction: "forwards",
        from,
        bound: head,
        limit: Number.MAX_SAFE_INTEGER,
      }).pipe(
        Stream.take(1),
        Stream.runFold([] as ReadonlyArray<RecordedEvent>, (_, events) => events),
        Effect.flatMap((events) => {
          const last = events.at(-1)
          this.quiet = 0
          this.progressed = true
          if (last === undefined) this.at = max(this.at, head)
          else {
            this.at = last.position
            this.lastEvent = last.position
            this.services.away("a subscription has come to a standstill: subscribing anew")
            this.close(true)
          }
          return this.batch(events)
        }),
      )
    })
  }).pipe(
    Effect.catchTag("LogUnavailable", (error: LogUnavailable) => {
      this.close(true)
      return this.pause(error.reason)
    }),
  )

  private ended(reason: string): Effect.Effect<undefined> {
    this.close()
    return this.pause(reason)
  }

  /** At once after one that gave something: the server drops readers that are slower than what comes in. */
  private pause(reason: string): Effect.Effect<undefined> {
    return Effect.suspend(() => {
      if (this.progressed) {
        this.progressed = false
        this.backoff = FIRST_BACKOFF_MS
        return Effect.succeed(undefined)
      }
      const wait = this.backoff
      this.backoff = Math.min(2 * wait, LONGEST_BACKOFF_MS)
      if (wait >= LONGEST_BACKOFF_MS) this.services.away(reason)
      return Effect.as(Effect.sleep(wait), undefined)
    })
  }
}

/** Everything after a position, then live, without end: it fails only where trying again is of no use. */
export const follow = (
  services: FollowerServices,
  wanted: ReadonlyArray<string> | undefined,
  after: Position,
): Stream.Stream<LogBatch, LogError> =>
  Stream.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => new Follower(services, wanted, after)),
        (follower) => Effect.sync(() => follower.close()),
      ),
      (follower) => Stream.repeatEffect(follower.next).pipe(Stream.filterMap(Option.fromNullable)),
    ),
  )
