import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { EventData, Metadata, NewEvent, RecordedEvent } from "../../../src/domain/Event.js"
import { eventId, streamNamespace } from "../../../src/domain/Ids.js"
import { clientStream, merchantStream, partitionOf } from "../../../src/domain/Partition.js"
import { fromNumber, type Position } from "../../../src/domain/Position.js"
import { EventLog, type EventLogService, NO_STREAM } from "../../../src/eventlog/EventLog.js"
import { EmbeddedEventLog } from "../../../src/eventlog/embedded/EmbeddedLog.js"
import type { Command, CommandRefused } from "../../../src/processors/Commands.js"
import type { ControllerTuning } from "../../../src/processors/Controller.js"
import type { DeadLetterPolicy } from "../../../src/processors/DeadLetters.js"
import { Processors, type ProcessorsService } from "../../../src/processors/Processors.js"
import * as ProcessorsInProcess from "../../../src/processors/ProcessorsInProcess.js"
import type { Projection } from "../../../src/processors/Projection.js"
import type { AnyReactor } from "../../../src/processors/Reactor.js"
import * as Embedded from "../../../src/readmodels/embedded/EmbeddedReadModels.js"
import {
  ReadModels,
  type ReadModelsService,
  type ReadModelsUnavailable,
} from "../../../src/readmodels/ReadModels.js"
import { until } from "../../support/until.js"

export const run = Effect.runPromise

export interface TestEvent {
  readonly type: string
  readonly at: number
  readonly recordedAt: number
  readonly data: Omit<EventData, "id"> & { readonly id?: string }
  readonly personal?: string
}

let made = 0

export const newEvent = (event: TestEvent, stream: string): NewEvent => {
  const id = event.data.id ?? `test-${made++}`
  const metadata: Metadata = { recordedAt: event.recordedAt, source: "api", key: "test" }
  const { type, at, personal } = event
  return {
    eventId: eventId(streamNamespace(stream), id),
    event: { v: 1, type, at, data: { ...event.data, id }, ...(personal === undefined ? {} : { personal }) },
    metadata,
  }
}

export const streamOf = (event: TestEvent): string => {
  const { merchantId, clientKey } = event.data
  return event.type === "request" || event.type === "ClientSeen"
    ? clientStream(partitionOf(merchantId, clientKey), clientKey ?? "")
    : merchantStream(partitionOf(merchantId), merchantId)
}

/** Events as a log would give them, without a log. */
export const recorded = (events: ReadonlyArray<TestEvent>, first = 1): ReadonlyArray<RecordedEvent> => {
  const revisions = new Map<string, number>()
  return events.map((event, i) => {
    const stream = streamOf(event)
    const revision = revisions.get(stream) ?? 0
    revisions.set(stream, revision + 1)
    return { ...newEvent(event, stream), stream, revision, position: fromNumber(first + i) }
  })
}

/** Counts the events of each merchant. */
export const counting = (name: string): Projection => ({
  ...{ name, version: 1, collections: ["counts"] },
  apply: ({ event }, docs) => {
    docs.edit("counts", event.data.merchantId, () => ({ n: 0 })).n++
  },
})

/** A real log in a directory, and the real engine on it that can be stopped and started. */
export class Bench {
  readonly directory = mkdtempSync(join(tmpdir(), "tidemark-processors-"))
  log!: EventLogService
  private readonly revisions = new Map<string, number>()
  private logScope = Effect.runSync(Scope.make())
  private engineScope: Scope.CloseableScope | undefined
  readModels!: ReadModelsService
  processors!: ProcessorsService

  async open(): Promise<this> {
    const context = await run(
      Layer.buildWithScope(EmbeddedEventLog.layer({ directory: this.directory }), this.logScope),
    )
    this.log = Effect.runSync(Effect.provide(EventLog, context))
    return this
  }

  /** The log anew, which knows of nothing that it has read. */
  async reopen(): Promise<this> {
    await run(Scope.close(this.logScope, Exit.void))
    this.logScope = Effect.runSync(Scope.make())
    return this.open()
  }

  /** Appends in the given order. */
  async append(events: ReadonlyArray<TestEvent>): Promise<Position> {
    const appends: Array<{ stream: string; expectedRevision: number; events: Array<NewEvent> }> = []
    for (const event of events) {
      const stream = streamOf(event)
      // One append for each event keeps the order among streams.
      const revision = this.revisions.get(stream) ?? NO_STREAM
      appends.push({ stream, expectedRevision: revision, events: [newEvent(event, stream)] })
      this.revisions.set(stream, revision + 1)
    }
    const outcomes = await run(this.log.append(appends))
    for (const outcome of outcomes) if (outcome._tag !== "Appended") throw new Error(JSON.stringify(outcome))
    return run(this.log.head)
  }

  async start(
    projections: ReadonlyArray<Projection>,
    tuning: ControllerTuning = {},
    deadLetters: DeadLetterPolicy = "live",
    reactors: ReadonlyArray<AnyReactor> = [],
  ): Promise<void> {
    const scope = Effect.runSync(Scope.make())
    this.engineScope = scope
    const store = Embedded.layer({ directory: this.directory })
    const layer = ProcessorsInProcess.layer(projections, tuning, deadLetters, reactors).pipe(
      Layer.provideMerge(store),
      Layer.provide(Layer.succeed(EventLog, this.log)),
    )
    const context = await run(Layer.buildWithScope(layer, scope))
    this.readModels = Effect.runSync(Effect.provide(ReadModels, context))
    this.processors = Effect.runSync(Effect.provide(Processors, context))
  }

  command(it: Command, by: string): Promise<Either.Either<void, CommandRefused | ReadModelsUnavailable>> {
    return run(Effect.either(this.processors.command(it, by)))
  }

  /** Throws when it was not carried out. */
  async done(it: Command, by: string): Promise<void> {
    const result = await this.command(it, by)
    if (Either.isLeft(result)) throw new Error(result.left.message)
  }

  async refusal(it: Command, by: string): Promise<{ readonly code: string; readonly message: string }> {
    const result = await this.command(it, by)
    return Either.isLeft(result) && result.left._tag === "CommandRefused"
      ? { code: result.left.code, message: result.left.message }
      : { code: "none", message: "" }
  }

  /** Commits what is folded. */
  async stop(): Promise<void> {
    if (this.engineScope !== undefined) await run(Scope.close(this.engineScope, Exit.void))
    this.engineScope = undefined
  }

  async caughtUp(position: Position): Promise<void> {
    await until(`all builds at ${position}`, 20_000, async () => {
      const progress = await run(this.processors.progress)
      return progress.length > 0 && progress.every((one) => Number(one.position) >= Number(position))
    })
  }

  async close(): Promise<void> {
    await this.stop()
    await run(Scope.close(this.logScope, Exit.void))
    rmSync(this.directory, { recursive: true, force: true })
  }
}
