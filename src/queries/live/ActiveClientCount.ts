import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import { partitionOf, SYSTEM } from "../../domain/Partition.js"
import { compare, type Position } from "../../domain/Position.js"
import type { EventLogService } from "../../eventlog/EventLog.js"
import {
  allClientsScan,
  PROJECTION as CLIENTS,
  type ClientDoc,
  clientScan,
  clientsScan,
  decodeClient,
} from "../../projections/clients.js"
import {
  decodeMerchant,
  decodeSystem,
  PROJECTION as MERCHANTS,
  merchantsScan,
  systemRef,
} from "../../projections/merchants.js"
import type { ReadModelsService, Row, Scan } from "../../readmodels/ReadModels.js"
import type { Freshness } from "../Freshness.js"
import type { LogTail } from "../LogTail.js"
import type { ProgressBoard } from "../ProgressBoard.js"
import { type QueryError, refused } from "../QueryError.js"
import { EveryActiveClient, type UnknownClient } from "./EveryActiveClient.js"
import { followLog } from "./followLog.js"

export interface ActiveClientCount {
  /**
   * Clients in state ACTIVE of all merchants and of none. The first question scans every client's document,
   * in the background: one that does not want to wait for it longer is refused with NOT_YET.
   */
  readonly count: Effect.Effect<number, QueryError>
  readonly isFollowing: () => boolean
}

export interface ActiveClientCountDeps {
  readonly log: EventLogService
  readonly readModels: ReadModelsService
  readonly freshness: Freshness
  readonly board: ProgressBoard
  readonly tail: LogTail
  readonly idleAfterMs: number
  readonly now: () => number
  /** How long a question waits for the first scan; 10 s when missing. */
  readonly patienceMs?: number
}

const PATIENCE_MS = 10_000
/** How long a question waits until everything recorded before it was heard. */
const LEVEL_MS = 1_000
/** Nobody has asked for so long: following the whole log ends, and the memory is given back. */
const UNASKED_MS = 600_000
const TIDY_MS = 5_000
const CHUNK = 2_000

interface Following {
  readonly clients: EveryActiveClient
  readonly filled: Deferred.Deferred<void, QueryError>
  upTo: Position | undefined
}

const refOf = ({ merchantId, clientKey }: UnknownClient) => {
  const { collection, from } = clientScan(merchantId, clientKey)
  return { collection, key: from }
}

export const makeActiveClientCount = (deps: ActiveClientCountDeps) =>
  Effect.gen(function* () {
    const { log, readModels, freshness, board, tail, idleAfterMs, now, patienceMs = PATIENCE_MS } = deps
    const runtime = yield* Effect.runtime<never>()
    const tidying = yield* Effect.makeSemaphore(1)
    let following: { readonly state: Following; readonly fiber: Fiber.RuntimeFiber<void> } | undefined
    let askedAt = now()

    /** Every document of a scan, a few thousand at a time so that others get their turn. */
    const scanned = <E>(
      build: string,
      scan: (after: string | undefined) => Scan,
      use: (rows: ReadonlyArray<Row>) => Effect.Effect<void, E>,
    ) =>
      Effect.gen(function* () {
        let after: string | undefined
        for (;;) {
          const answer = yield* readModels.query(build, partitionOf(SYSTEM), [scan(after)])
          const rows = answer.rows[0] ?? []
          yield* use(rows)
          after = rows.at(-1)?.key
          if (after === undefined || rows.length < CHUNK) return
          yield* Effect.sleep(0)
        }
      })

    const fillFrom = (clients: EveryActiveClient, rows: ReadonlyArray<Row>): void => {
      const byMerchant = new Map<string, Array<ClientDoc>>()
      for (const { key, doc } of rows) {
        const client = decodeClient(key, doc)
        const docs = byMerchant.get(client.merchantId)
        if (docs === undefined) byMerchant.set(client.merchantId, [client])
        else docs.push(client)
      }
      for (const [merchantId, docs] of byMerchant) clients.fill(merchantId, docs, now())
    }

    /** What was recorded before it began to hear is in the documents; what comes later is heard. */
    const fill = ({ clients }: Following, start: Position): Effect.Effect<void, QueryError> =>
      Effect.gen(function* () {
        const merchantsBuild = yield* freshness.serving(MERCHANTS)
        const clientsBuild = yield* freshness.serving(CLIENTS)
        yield* untilReached(merchantsBuild.id, start)
        yield* untilReached(clientsBuild.id, start)
        const [system] = yield* readModels.load(merchantsBuild.id, [systemRef])
        clients.setStored(SYSTEM, decodeSystem(system))
        yield* scanned(
          merchantsBuild.id,
          (after) => merchantsScan(after, CHUNK),
          (rows) =>
            Effect.sync(() => {
              for (const { key, doc } of rows) {
                const settings = decodeMerchant(doc)?.settings
                if (settings !== undefined) clients.setStored(key, settings)
              }
            }),
        )
        clients.beginFill()
        yield* scanned(
          clientsBuild.id,
          (after) => allClientsScan(after, CHUNK),
          (rows) => Effect.sync(() => fillFrom(clients, rows)),
        )
      })

    const untilReached = (build: string, position: Position): Effect.Effect<void> =>
      board
        .reached(build, position, PATIENCE_MS)
        .pipe(Effect.repeat({ until: (reached) => reached }), Effect.asVoid)

    const follow = (state: Following): Effect.Effect<never> =>
      followLog(log, {
        after: () => state.upTo as Position,
        hear: ({ events, upTo }) => {
          for (const event of events) state.clients.hear(event)
          state.upTo = upTo
        },
        name: "active clients",
      })

    /** Looks up what was heard of and is not known, and forgets who went quiet. */
    const tidy = ({ clients }: Following): Effect.Effect<number, QueryError> =>
      Effect.gen(function* () {
        const build = yield* freshness.serving(CLIENTS)
        if (clients.takeAllIncomplete()) {
          yield* scanned(
            build.id,
            (after) => allClientsScan(after, CHUNK),
            (rows) => Effect.sync(() => fillFrom(clients, rows)),
          ).pipe(Effect.tapError(() => Effect.sync(() => clients.putAllBack())))
        }
        const incomplete = clients.takeIncomplete()
        yield* Effect.forEach(incomplete, (merchantId) =>
          scanned(
            build.id,
            (after) => clientsScan(merchantId, after?.slice(merchantId.length + 1), CHUNK),
            (rows) => Effect.sync(() => fillFrom(clients, rows)),
          ),
        ).pipe(Effect.tapError(() => Effect.sync(() => clients.putBack(incomplete))))
        const unknown = clients.unknown()
        for (let from = 0; from < unknown.length; from += CHUNK) {
          const some = unknown.slice(from, from + CHUNK)
          const docs = yield* readModels.load(build.id, some.map(refOf))
          some.forEach((one, index) => {
            const doc = docs[index]
            clients.resolve(one, doc === undefined ? undefined : decodeClient(refOf(one).key, doc))
          })
        }
        return clients.count(now())
      }).pipe(tidying.withPermits(1))

    const tidyUntilUnasked = (state: Following): Effect.Effect<void> =>
      Effect.sleep(TIDY_MS).pipe(
        Effect.zipRight(tidy(state)),
        Effect.catchAllCause((cause) => Effect.logWarning("active clients could not be counted", cause)),
        Effect.repeat({ until: () => now() - askedAt > UNASKED_MS }),
        Effect.asVoid,
      )

    const life = (state: Following): Effect.Effect<void> =>
      Effect.gen(function* () {
        const start = yield* log.head
        state.upTo = start
        yield* Effect.forkScoped(follow(state))
        yield* fill(state, start)
        yield* Deferred.succeed(state.filled, undefined)
        yield* tidyUntilUnasked(state)
      }).pipe(
        Effect.scoped,
        Effect.catchAll((error) => Deferred.fail(state.filled, error)),
        Effect.ensuring(
          Effect.sync(() => {
            if (following?.state === state) following = undefined
          }),
        ),
        Effect.asVoid,
      )

    const joined = Effect.gen(function* () {
      askedAt = now()
      if (following !== undefined) return following.state
      const filled = yield* Deferred.make<void, QueryError>()
      const state: Following = { clients: new EveryActiveClient(idleAfterMs), filled, upTo: undefined }
      const fiber = Runtime.runFork(runtime)(Effect.yieldNow().pipe(Effect.zipRight(life(state))))
      following = { state, fiber }
      return state
    })

    const level = (state: Following): Effect.Effect<void, QueryError> =>
      Effect.gen(function* () {
        const head = yield* tail.head(0)
        const since = now()
        while (compare(state.upTo as Position, head) < 0 && now() - since < LEVEL_MS) {
          yield* Effect.sleep("10 millis")
        }
      })

    const count = Effect.gen(function* () {
      const state = yield* joined
      yield* Deferred.await(state.filled).pipe(
        Effect.timeoutFail({
          duration: patienceMs,
          onTimeout: () =>
            refused("NOT_YET", "active clients are being counted for the first time: ask again in a moment"),
        }),
      )
      yield* level(state)
      return yield* tidy(state)
    })

    yield* Effect.addFinalizer(() =>
      following === undefined ? Effect.void : Fiber.interrupt(following.fiber),
    )
    const service: ActiveClientCount = { count, isFollowing: () => following !== undefined }
    return service
  })
