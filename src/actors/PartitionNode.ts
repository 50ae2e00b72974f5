import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Partition } from "../domain/Partition.js"
import {
  type Append,
  type AppendOutcome,
  EventLog,
  type LogError,
  LogUnavailable,
} from "../eventlog/EventLog.js"
import { KeyStore, KeyStoreUnavailable } from "../keystore/KeyStore.js"
import { Coalescer } from "./Coalescer.js"
import { Counters } from "./Counters.js"
import { logFacts } from "./clients/logFacts.js"
import { NodeClients } from "./clients/NodeClients.js"
import { Overdue } from "./clients/Overdue.js"
import { catchUp, catchUpStream, holds, recover } from "./IndexRecovery.js"
import { type HostServices, PartitionHost } from "./PartitionHost.js"
import type { StreamIndex } from "./StreamIndex.js"
import type { Tuning } from "./Tuning.js"

/** What this process does for the partitions that it owns. */
export interface PartitionNodeService {
  /** The partition's host, once it knows all of its streams; it drains when the scope closes. */
  readonly activate: (partition: Partition) => Effect.Effect<PartitionHost, never, Scope.Scope>
  /** Undefined when the partition is not owned by this process now. */
  readonly host: (partition: Partition) => PartitionHost | undefined
  readonly hosts: () => IterableIterator<PartitionHost>
  readonly index: StreamIndex
  readonly counters: Counters
  readonly tuning: Tuning
}

export class PartitionNode extends Context.Tag("tidemark/PartitionNode")<
  PartitionNode,
  PartitionNodeService
>() {}

/** Everything that wants to run in this tick, run in one go: what they submit then goes out together. */
const ticker = () => {
  let waiting: Array<() => void> = []
  const run = () => {
    const runs = waiting
    waiting = []
    for (const each of runs) each()
  }
  return (each: () => void) => {
    waiting.push(each)
    if (waiting.length === 1) setImmediate(run)
  }
}

const describe = (cause: Cause.Cause<{ readonly reason?: string }>): string => {
  const failure = Cause.squash(cause)
  if (failure instanceof Error && failure.message !== "") return failure.message
  const reason = (failure as { readonly reason?: unknown } | undefined)?.reason
  return typeof reason === "string" ? reason : String(failure)
}

const unavailable = (cause: Cause.Cause<LogUnavailable>): LogUnavailable => {
  const failure = Cause.failureOption(cause)
  return failure._tag === "Some" ? failure.value : new LogUnavailable({ reason: describe(cause) })
}

/** @param clientsFile where it is kept who is present. */
export const make = (index: StreamIndex, tuning: Tuning, clientsFile: string) =>
  Effect.gen(function* () {
    const log = yield* EventLog
    const keys = yield* KeyStore
    const runtime = yield* Effect.runtime<never>()
    const run = Runtime.runCallback(runtime)

    yield* recover(index, log)
    const hosts = new Map<Partition, PartitionHost>()
    const clients = yield* NodeClients.open(
      clientsFile,
      yield* log.head,
      (mark) => holds(log, mark),
      (partition) => hosts.get(partition)?.clientsUpTo,
    )

    const appends = new Coalescer<Append, AppendOutcome, LogUnavailable>(
      (items, done) => {
        run(log.append(items), {
          onExit: Exit.match({
            onSuccess: (outcomes) => done(outcomes, undefined),
            onFailure: (cause) => done(undefined, unavailable(cause)),
          }),
        })
      },
      (error) => error.refused === true,
    )
    const ensures = new Coalescer<string, Buffer | undefined, KeyStoreUnavailable>((items, done) => {
      run(keys.ensure(items), {
        onExit: Exit.match({
          onSuccess: (found) => done(found, undefined),
          onFailure: (cause) => done(undefined, new KeyStoreUnavailable({ reason: describe(cause) })),
        }),
      })
    })
    const counters = new Counters()
    const overdue = new Overdue()
    const services: HostServices = {
      index,
      append: (items, done) => appends.submit(items, done),
      ensureKeys: (items, done) => ensures.submit(items, done),
      catchUpStream: (stream, done) => {
        run(catchUpStream(index, log, stream), {
          onExit: Exit.match({
            onSuccess: () => done(undefined),
            onFailure: (cause) => done(`the event log can't be read: ${describe(cause)}`),
          }),
        })
      },
      catchUpClients: (partition, done) => {
        run(clients.catchUp(index, log, [partition]), {
          onExit: Exit.match({
            onSuccess: () => done(undefined),
            onFailure: (cause) => done(`the event log can't be read: ${describe(cause)}`),
          }),
        })
      },
      report: (facts) => run(logFacts(facts)),
      soon: ticker(),
      now: tuning.now,
      counters,
      overdue,
      turnLimit: tuning.turnEvents,
      idleAfterMs: tuning.idleAfterMs,
    }

    const rotate = () => {
      for (const host of hosts.values()) host.actors.rotate()
    }
    const live = () => {
      let count = 0
      for (const host of hosts.values()) count += host.actors.size
      return count
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const quiet = setInterval(rotate, tuning.passivateAfterMs)
        const bound = setInterval(() => {
          if (live() > tuning.maxLiveActors) rotate()
        }, 1_000)
        // One timer for all deadlines of all clients.
        const deadlines = setInterval(() => {
          const now = tuning.now()
          overdue.tick()
          for (const host of hosts.values()) host.tick(now)
        }, tuning.tickMs)
        return [quiet, bound, deadlines]
      }),
      (timers) =>
        Effect.sync(() => {
          for (const timer of timers) clearInterval(timer)
        }),
    )

    yield* keepClients(clients, index, hosts, tuning)
    const catchUps = yield* sharedCatchUp((partitions) =>
      Effect.zipRight(catchUp(index, log, partitions), clients.catchUp(index, log, partitions)),
    )
    const activate = (partition: Partition) =>
      Effect.acquireRelease(
        Effect.map(catchUps(partition), () => {
          const host = new PartitionHost(
            partition,
            services,
            clients.of(partition),
            clients.merchantsOf(partition),
          )
          hosts.set(partition, host)
          tuning.owners?.activated(`partition ${partition}`)
          return host
        }),
        (host) =>
          Effect.promise(() => {
            // From here on callers go through the cluster, which knows the next owner.
            if (hosts.get(partition) === host) hosts.delete(partition)
            return host.close(tuning.drainMs)
          }).pipe(Effect.tap(() => Effect.sync(() => tuning.owners?.passivated(`partition ${partition}`)))),
      )

    const service: PartitionNodeService = {
      activate,
      host: (partition) => hosts.get(partition),
      hosts: () => hosts.values(),
      index,
      counters,
      tuning,
    }
    return service
  })

/**
 * Writes who is present to its file now and then, and in the end. What is not written is read from the log after a
 * crash, so failing costs time and nothing else.
 */
const keepClients = (
  clients: NodeClients,
  index: StreamIndex,
  hosts: ReadonlyMap<Partition, PartitionHost>,
  tuning: Tuning,
) =>
  Effect.gen(function* () {
    const write = Effect.tryPromise(() => clients.write(index)).pipe(
      Effect.catchAll((error) => Effect.logWarning("the live clients could not be written", error.cause)),
    )
    yield* Effect.addFinalizer(() => write)
    let written = 0
    // The first time soon: until then a crash means to read the whole log.
    let at = Number.NEGATIVE_INFINITY
    yield* Effect.sleep(Math.min(1_000, tuning.keepClientsEveryMs)).pipe(
      Effect.zipRight(
        Effect.suspend(() => {
          let taken = 0
          for (const host of hosts.values()) taken += host.presences
          const due = performance.now() - at >= tuning.keepClientsEveryMs
          if (taken === written || (!due && taken - written < tuning.keepClientsChanges)) return Effect.void
          written = taken
          at = performance.now()
          return write
        }),
      ),
      Effect.forever,
      Effect.forkScoped,
    )
  })

/** Pauses between two looks whether still more partitions are being activated, and how many of them at most. */
const GATHER_MS = 10
const GATHER_TIMES = 20

/**
 * Partitions that are activated at about the same time are read together: one pass of the log for all. The first of
 * them waits for the others: else it would have a pass of its own, which takes as long as that of all.
 */
const sharedCatchUp = (read: (partitions: ReadonlyArray<Partition>) => Effect.Effect<void, LogError>) =>
  Effect.gen(function* () {
    const lock = yield* Effect.makeSemaphore(1)
    let wanted = new Set<Partition>()
    const gather = Effect.gen(function* () {
      for (let times = 0, before = 0; times < GATHER_TIMES && wanted.size > before; times++) {
        before = wanted.size
        yield* Effect.sleep(GATHER_MS)
      }
    })
    const readWanted = Effect.suspend(() => {
      const taken = [...wanted]
      wanted = new Set()
      return read(taken).pipe(
        Effect.tapError((error) =>
          Effect.logWarning(`partitions can't be activated yet, trying again: ${error.message}`),
        ),
        Effect.retry(Schedule.exponential(100).pipe(Schedule.union(Schedule.spaced(2_000)))),
        Effect.orDie,
      )
    })
    return (partition: Partition): Effect.Effect<void> =>
      Effect.suspend(() => {
        wanted.add(partition)
        const mine = wanted
        return lock.withPermits(1)(
          Effect.suspend(() => {
            // A run that began after this partition was added has read it already.
            if (mine !== wanted || !mine.has(partition)) return Effect.void
            return Effect.zipRight(gather, readWanted)
          }),
        )
      })
  })
