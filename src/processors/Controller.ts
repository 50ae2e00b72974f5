import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { merchantStream, partitionOf } from "../domain/Partition.js"
import { type Position, start } from "../domain/Position.js"
import type { EventLogService } from "../eventlog/EventLog.js"
import {
  type Build,
  type ReadModelsService,
  ReadModelsUnavailable,
  type Registered,
} from "../readmodels/ReadModels.js"
import { change } from "../readmodels/Registry.js"
import { plan } from "./Builds.js"
import { type Command, CommandRefused } from "./Command.js"
import { decide, merchantOfSwitch } from "./Commands.js"
import type { Definition, ProcessorsService, Progress, Stopped } from "./Processors.js"
import { retryIn } from "./RetryCommand.js"
import type { Runner } from "./Runner.js"
import { LEVEL_MS, makeStanding } from "./Standing.js"
import { dropped, promoted, servingOf, switchesIn } from "./Transitions.js"

export interface ControllerOptions {
  readonly log: EventLogService
  readonly readModels: ReadModelsService
  readonly runner: Runner
  readonly definitions: ReadonlyArray<Definition>
  readonly tuning?: ControllerTuning
}

export interface ControllerTuning {
  /** How long a build that was replaced is kept up to date before it is dropped; 24 hours. */
  readonly standbyForMs?: number
  /** How long a dropped build that has served is left to the questions that still read it; 30 s. */
  readonly graceMs?: number
  /** How often it looks for what others have changed; 1 s. */
  readonly lookEveryMs?: number
  /** How long who commands waits until that is brought about; 30 s. */
  readonly carryOutMs?: number
}

const STANDBY_FOR_MS = 86_400_000
const GRACE_MS = 30_000
const LOOK_EVERY_MS = 1_000
const CARRY_OUT_MS = 30_000
/** Under load a build is never at the head; so far behind it is level. */
export const READY_MS = 1_000
/** The same where it is tried again and again. */
const LEVEL_SOON_MS = 500

/**
 * Decides which builds are folded, and by whom queries are answered: what is registered, and what this program
 * has the code of. All that lasts is in the registry, so that any process can go on after another.
 */
export const makeController = (
  options: ControllerOptions,
): Effect.Effect<ProcessorsService, ReadModelsUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { log, readModels, runner, definitions, tuning = {} } = options
    const { standbyForMs = STANDBY_FOR_MS, graceMs = GRACE_MS } = tuning
    const { lookEveryMs = LOOK_EVERY_MS, carryOutMs = CARRY_OUT_MS } = tuning
    const scope = yield* Effect.scope
    const lock = yield* Effect.makeSemaphore(1)
    const running = new Map<string, "live" | "aside">()
    const newest = new Map<string, Progress>()
    const names = [...new Set(definitions.map(({ projection }) => projection))]
    const deployed = (projection: string) => definitions.filter((one) => one.projection === projection)
    const isDeployed = ({ definition }: Build) => definitions.some((one) => one.definition === definition)

    const runs = (now: Registered, build: Build): boolean =>
      now.paused === undefined && build.dropped === undefined && build.state !== "FAILED" && isDeployed(build)

    const ofProjection = (projection: string) =>
      Effect.map(readModels.registered, (all) => all.find((one) => one.projection === projection))

    const { whereIs, unfit, untilLevel, whileLevel, handingOver, holdLevel } = makeStanding({
      ...{ log, readModels, runner, running, newest, isDeployed },
    })

    /** Merchants with a build of their own are switched together with all others, or by themselves. No answer steps back. */
    const levelSwitch = <A, E>(
      before: Registered,
      after: Registered,
      ms: number,
      use: Effect.Effect<A, E>,
    ) => {
      const switches = switchesIn(before, after)
      return Effect.zipRight(
        Effect.forEach(switches, ({ from, to }) => untilLevel(to.id, from.id, ms), { discard: true }),
        whileLevel(switches, use),
      )
    }

    /** Every merchant's first event makes its stream. */
    const hasMerchant = (merchantId: string) =>
      log
        .readStream(merchantStream(partitionOf(merchantId), merchantId), { direction: "forwards", limit: 1 })
        .pipe(
          Stream.runHead,
          Effect.map(Option.isSome),
          Effect.mapError(({ message }) => new ReadModelsUnavailable({ reason: message })),
        )

    const startBuilds = (builds: ReadonlyArray<Build>, where: "live" | "aside") =>
      Effect.gen(function* () {
        yield* runner.start(builds, where)
        for (const { id } of builds) running.set(id, where)
        for (const progress of yield* runner.progress) newest.set(progress.build, progress)
      })

    const stopBuild = (build: string) =>
      Effect.gen(function* () {
        yield* runner.stop(build)
        running.delete(build)
      })

    /** Makes what runs what is registered. One at a time, under the lock. */
    const reconcile = Effect.gen(function* () {
      const all = yield* readModels.registered
      const wanted = all.flatMap((now) => now.builds.filter((build) => runs(now, build)))
      const ids = new Set(wanted.map(({ id }) => id))
      for (const build of [...running.keys()]) if (!ids.has(build)) yield* stopBuild(build)
      // One that has come to serve goes to those that serve.
      for (const { id, state } of wanted) {
        if (state !== "BUILDING" && running.get(id) === "aside") yield* stopBuild(id)
      }
      const missing = wanted.filter(({ id }) => !running.has(id))
      yield* startBuilds(
        missing.filter(({ state }) => state !== "BUILDING"),
        "live",
      )
      for (const build of missing) if (build.state === "BUILDING") yield* startBuilds([build], "aside")
      for (const { dropped: gone, promoted: served, replaced, id } of all.flatMap(({ builds }) => builds)) {
        const grace = served === undefined && replaced === undefined ? 0 : graceMs
        if (gone !== undefined && Date.now() >= gone.at + grace) yield* runner.drop(id)
      }
    })

    const warned = (what: string) =>
      Effect.catchAll((error: ReadModelsUnavailable | CommandRefused) =>
        Effect.logWarning(`${what}; trying again`, error),
      )

    /** What happens by itself. */
    const housekeeping = Effect.gen(function* () {
      const at = Date.now()
      for (const now of yield* readModels.registered) {
        for (const build of now.builds) {
          if (build.dropped !== undefined) continue
          if (build.state === "STANDBY" && at - (build.replaced?.at ?? at) >= standbyForMs) {
            yield* settle(now.projection, build, (one, kept) =>
              kept.state === "STANDBY"
                ? dropped(one, kept.id, {
                    by: "tidemark",
                    at,
                    what: `dropped ${kept.id}, which stood by long enough`,
                  })
                : one,
            )
          }
          if (build.state !== "BUILDING") continue
          const stopped = newest.get(build.id)?.stopped
          if (stopped !== undefined && running.has(build.id)) {
            yield* settle(now.projection, build, (one, kept) => ({
              ...one,
              builds: one.builds.map((other) =>
                other.id === kept.id
                  ? { ...kept, state: "FAILED" as const, failure: failureOf(stopped) }
                  : other,
              ),
            }))
          } else if (build.promoteWhenLevel === true && (yield* unfit(build, READY_MS)) === undefined) {
            const act = {
              by: build.made?.by ?? "tidemark",
              at,
              what: `promoted ${build.id}, as it was level`,
            }
            const from = servingOf(now)
            const promotion = handingOver(from, (handover) =>
              settle(now.projection, build, (one, kept) =>
                kept.state === "BUILDING" && servingOf(one)?.id === from?.id
                  ? promoted(one, kept, act, handover)
                  : one,
              ),
            )
            // What does not succeed now does with the next look.
            yield* levelSwitch(now, promoted(now, build, act), LEVEL_SOON_MS, promotion).pipe(
              Effect.catchTag("CommandRefused", () => Effect.void),
            )
          }
        }
      }
    })

    /** Changes a build that is still there. */
    const settle = (
      projection: string,
      build: Build,
      next: (now: Registered, build: Build) => Registered,
    ): Effect.Effect<void, ReadModelsUnavailable> =>
      change(readModels, projection, (now) => {
        const kept = now.builds.find(({ id, dropped: gone }) => id === build.id && gone === undefined)
        return Effect.succeed([kept === undefined ? now : next(now, kept), undefined] as const)
      })

    const look = lock
      .withPermits(1)(Effect.zipRight(housekeeping, reconcile))
      .pipe(warned("what is registered could not be brought about"))

    /**
     * After a command is recorded. It goes on when nobody waits any more: half a stop would leave two who fold a build.
     */
    const broughtAbout = ({ _tag, projection }: Command): Effect.Effect<void, CommandRefused> => {
      const notYet = (why: string) =>
        new CommandRefused({
          code: "NOT_CARRIED_OUT_YET",
          message: `${_tag} ${projection} is recorded, and not carried out yet: ${why}. It will be, as soon as the read models can be written`,
        })
      return lock
        .withPermits(1)(reconcile)
        .pipe(
          Effect.forkIn(scope),
          Effect.flatMap(Fiber.join),
          Effect.mapError(({ reason }) => notYet(reason)),
          Effect.timeoutFail({
            duration: carryOutMs,
            onTimeout: () => notYet(`that takes more than ${carryOutMs / 1000} s`),
          }),
        )
    }

    const carryOut = (
      command: Command,
      by: string,
    ): Effect.Effect<void, CommandRefused | ReadModelsUnavailable> =>
      Effect.gen(function* () {
        const before = yield* ofProjection(command.projection)
        const reasons = new Map<string, string>()
        for (const build of before?.builds ?? []) {
          const reason = yield* unfit(build, LEVEL_MS)
          if (reason !== undefined) reasons.set(build.id, reason)
        }
        const stalled = (yield* runner.progress).flatMap(({ build, deadLetters }) =>
          deadLetters === undefined ? [] : build,
        )
        const facts = {
          deployed: deployed(command.projection)[0],
          behind: ({ id }: Build) => reasons.get(id),
          hasDeadLetters: ({ id }: Build) => stalled.includes(id),
          ...(command._tag === "Rebuild" && command.merchantId !== undefined
            ? { isMerchantKnown: yield* hasMerchant(command.merchantId) }
            : {}),
          by,
          now: Date.now(),
        }
        const toDecide = (handover: Position | undefined) => (now: Registered) =>
          Either.map(decide(now, command, { ...facts, handover }), (next) => [next, undefined] as const)
        const serving =
          before === undefined ? undefined : servingOf(before, merchantOfSwitch(before, command))
        const isSwitch = command._tag === "Promote" || command._tag === "Rollback"
        const isRebuild = command._tag === "Rebuild" && serving?.acts !== undefined
        const place = isRebuild ? (yield* whereIs(serving.id)).position : undefined
        const carried = handingOver(isSwitch ? serving : undefined, (handover) =>
          change(readModels, command.projection, toDecide(handover ?? place)),
        )
        if (isSwitch && !command.force && before !== undefined) {
          // What would be refused anyway is refused before the wait.
          const next = yield* decide(before, command, { ...facts, handover: start })
          yield* levelSwitch(before, next, LEVEL_MS, carried)
        } else yield* carried
        yield* Effect.logInfo(`${by}: ${command._tag} ${command.projection}`)
        if (command._tag !== "RetryDeadLetters") return yield* broughtAbout(command)
        const own = (before?.builds ?? []).map(({ id }) => id)
        yield* retryIn(
          readModels,
          runner,
          stalled.filter((build) => own.includes(build)),
        )
      })

    const head = definitions.some(({ isReactor }) => isReactor === true)
      ? yield* log.head.pipe(Effect.mapError(({ message }) => new ReadModelsUnavailable({ reason: message })))
      : start
    for (const projection of names) {
      const now = yield* ofProjection(projection)
      const from = now === undefined ? undefined : servingOf(now)
      const serving = from === undefined ? start : (yield* whereIs(from.id)).position
      yield* change(readModels, projection, (now) =>
        Effect.succeed([plan(now, deployed(projection), Date.now(), { head, serving }), undefined] as const),
      )
    }
    yield* reportChangedCode(readModels, definitions)
    yield* Stream.runForEach(runner.changes, (progress) =>
      Effect.sync(() => newest.set(progress.build, progress)),
    ).pipe(Effect.forkScoped)
    yield* lock.withPermits(1)(reconcile)
    yield* look.pipe(Effect.schedule(Schedule.spaced(lookEveryMs)), Effect.forkScoped)

    const service: ProcessorsService = {
      progress: runner.progress,
      changes: runner.changes,
      definitions,
      command: carryOut,
      holdLevel,
    }
    return service
  })

const failureOf = ({ position, eventType, reason }: Stopped): string =>
  position === undefined ? reason : `at position ${position} (${eventType ?? "an event"}): ${reason}`

/** The same version of other code would give other numbers without anybody being told. */
const reportChangedCode = (readModels: ReadModelsService, definitions: ReadonlyArray<Definition>) =>
  Effect.flatMap(readModels.builds, (builds) =>
    Effect.forEach(builds, ({ id, definition, fingerprint }) => {
      const now = definitions.find((one) => one.definition === definition)
      if (now === undefined || fingerprint === undefined || now.fingerprint === fingerprint)
        return Effect.void
      return Effect.logWarning(
        `the code of ${definition} is not the code that ${id} was begun with (${fingerprint}, now ${now.fingerprint}). If it folds the same events into other documents, raise its version; rebuild ${definition.split("@")[0]} to be sure`,
      )
    }),
  )
