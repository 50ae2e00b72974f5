import type { ResolvedEvent, StreamingRead } from "@eventstore/db-client"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RecordedEvent } from "../../domain/Event.js"
import { LogDamaged, type LogError, LogUnavailable } from "../EventLog.js"
import type { Client } from "./ClientModule.js"
import { troubleOf, unavailable } from "./Failure.js"
import type { Lanes, Use } from "./Lanes.js"
import { OpenCall, type Pull } from "./OpenCall.js"

export type Events = ReadonlyArray<RecordedEvent>

/** What is read, and where it goes on after each call: a read can take several. */
export interface Plan {
  /** The call that reads what comes next; undefined when everything was read. */
  readonly open: (client: Client) => StreamingRead<ResolvedEvent> | undefined
  /** Takes what came, in order, and moves on. Throws LogDamaged. */
  readonly keep: (items: ReadonlyArray<ResolvedEvent>) => Events
  /** All that is wanted has come: the call is given up before its end. */
  readonly isDone: () => boolean
  /** The call has come to its end by itself. */
  readonly ended: () => void
}

const FIRST_BACKOFF_MS = 20
const LONGEST_BACKOFF_MS = 500

type Next = Effect.Effect<Events, Option.Option<LogError>>
const over: Next = Effect.fail(Option.none())
const failed = (error: LogError): Next => Effect.fail(Option.some(error))

/** A read that goes on where it was when its call breaks, as long as anything comes within the deadline. */
class Read {
  private use: Use | undefined
  private call: OpenCall<ResolvedEvent> | undefined
  /** Since when nothing has come though it was asked for. */
  private waitingSince: number | undefined
  private backoff = FIRST_BACKOFF_MS

  constructor(
    private readonly lanes: Lanes,
    private readonly plan: Plan,
    private readonly deadlineMs: number,
  ) {}

  readonly next: Next = Effect.suspend(() => {
    if (this.plan.isDone()) return over
    if (this.call === undefined) {
      const use = this.lanes.take()
      const source = this.plan.open(use.client)
      if (source === undefined) {
        use.release()
        return over
      }
      this.use = use
      this.call = new OpenCall(source, () => source.cancel())
    }
    const call = this.call
    this.waitingSince ??= performance.now()
    const left = Math.max(1, this.waitingSince + this.deadlineMs - performance.now())
    return Effect.flatMap(
      Effect.async<Pull<ResolvedEvent>>((resume) => {
        const stop = call.pull(left, (pull) => resume(Effect.succeed(pull)))
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

  private took(pull: Pull<ResolvedEvent>): Next {
    switch (pull._tag) {
      case "Items":
        this.waitingSince = undefined
        this.backoff = FIRST_BACKOFF_MS
        try {
          const events = this.plan.keep(pull.items)
          if (this.plan.isDone()) this.close()
          return Effect.succeed(events)
        } catch (cause) {
          if (cause instanceof LogDamaged) return failed(cause)
          throw cause
        }
      case "End":
        this.close()
        this.plan.ended()
        return Effect.succeed([])
      case "Quiet":
        this.close(true)
        return failed(
          new LogUnavailable({ reason: `EventStoreDB gave no answer to a read for ${this.deadlineMs} ms` }),
        )
      case "Broken":
        return this.again(pull.cause)
    }
  }

  private again(cause: unknown): Next {
    const trouble = troubleOf(cause)
    this.close(trouble._tag === "Passing")
    if (trouble._tag === "Missing") return over
    const late = performance.now() > (this.waitingSince ?? 0) + this.deadlineMs
    if (trouble._tag !== "Passing" || late) return failed(unavailable(trouble))
    const pause = this.backoff
    this.backoff = Math.min(2 * pause, LONGEST_BACKOFF_MS)
    return Effect.as(Effect.sleep(pause), [])
  }
}

/** Runs a plan; whatever becomes of the reader, its calls are given back. */
export const readBy = (lanes: Lanes, deadlineMs: number, plan: () => Plan): Stream.Stream<Events, LogError> =>
  Stream.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => new Read(lanes, plan(), deadlineMs)),
        (read) => Effect.sync(() => read.close()),
      ),
      (read) => Stream.repeatEffectOption(read.next).pipe(Stream.filter((events) => events.length > 0)),
    ),
  )
