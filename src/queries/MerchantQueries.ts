import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { partitionOf } from "../domain/Partition.js"
import type { Position } from "../domain/Position.js"
import { defaultSettings, type MerchantSettings, type SystemSettings } from "../domain/Settings.js"
import {
  decodeMerchant,
  decodeSettings,
  decodeSystem,
  merchantRef,
  merchantsScan,
  PROJECTION,
  settingsScan,
  systemRef,
} from "../projections/merchants.js"
import type { ReadModelsService } from "../readmodels/ReadModels.js"
import type { CatchUp } from "./CatchUp.js"
import type { Freshness } from "./Freshness.js"
import { type Page, type PageArgs, pageArgs, toPage } from "./Page.js"
import type { QueryError } from "./QueryError.js"
import { type Scope, sees } from "./Scope.js"

export interface Merchant {
  readonly id: string
  readonly settings: MerchantSettings
  /** Epoch ms; null before the first event. */
  readonly lastEventAt: number | null
  /** Its silence is watched, was reported, and lasts. */
  readonly silent: boolean
}

export interface MerchantQueries {
  /** Undefined for a merchant that does not exist, or is not the asker's to see. */
  readonly find: (scope: Scope, id: string) => Effect.Effect<Merchant | undefined, QueryError>
  /** Those of these ids that exist, by id. For questions of those who see everything. */
  readonly several: (ids: Iterable<string>) => Effect.Effect<ReadonlyMap<string, Merchant>, QueryError>
  /** What is set for the system while it runs. */
  readonly system: Effect.Effect<SystemSettings, QueryError>
  /** What its settings were at a position that the read model includes; the defaults before it existed. */
  readonly settingsAt: (id: string, position: Position) => Effect.Effect<MerchantSettings, QueryError>
  /** In order of their ids. */
  readonly list: (scope: Scope, args: PageArgs) => Effect.Effect<Page<Merchant>, QueryError>
}

/** What a merchant id can look like; nothing else is looked up. */
const idPattern = /^[A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}$/

export const isMerchantId = (id: string): boolean => idPattern.test(id)

const toMerchant = (id: string, doc: unknown): Merchant | undefined => {
  const decoded = decodeMerchant(doc)
  return decoded === undefined
    ? undefined
    : {
        id,
        settings: decoded.settings,
        lastEventAt: decoded.lastEventAt ?? null,
        silent: decoded.silent === true,
      }
}

export const makeMerchantQueries = (
  readModels: ReadModelsService,
  freshness: Freshness,
  catchUp: CatchUp,
): MerchantQueries => {
  const look = (id: string): Effect.Effect<Merchant | undefined, QueryError> =>
    Effect.gen(function* () {
      const build = yield* freshness.serving(PROJECTION)
      const [doc] = yield* readModels.load(build.id, [merchantRef(id)])
      return toMerchant(id, doc)
    })

  const find = (scope: Scope, id: string): Effect.Effect<Merchant | undefined, QueryError> =>
    !isMerchantId(id) || !sees(scope, id) ? Effect.succeed(undefined) : catchUp.orElse(PROJECTION, look(id))

  const system: MerchantQueries["system"] = Effect.gen(function* () {
    const build = yield* freshness.serving(PROJECTION)
    const [doc] = yield* readModels.load(build.id, [systemRef])
    return decodeSystem(doc)
  })

  const settingsAt: MerchantQueries["settingsAt"] = (id, position) =>
    Effect.gen(function* () {
      const build = yield* freshness.serving(PROJECTION)
      const answer = yield* readModels.query(build.id, partitionOf(id), [settingsScan(id, position)])
      const row = answer.rows[0]?.[0]
      return row === undefined ? defaultSettings : decodeSettings(row.doc)
    })

  const several: MerchantQueries["several"] = (ids) =>
    Effect.gen(function* () {
      const known = [...new Set(ids)].filter(isMerchantId)
      if (known.length === 0) return new Map()
      const build = yield* freshness.serving(PROJECTION)
      const docs = yield* readModels.load(build.id, known.map(merchantRef))
      const found = known.flatMap((id, index) => toMerchant(id, docs[index]) ?? [])
      return new Map(found.map((merchant) => [merchant.id, merchant]))
    })

  /** Ids that were never created have documents too: those are skipped. */
  const listAll = (first: number, after: string | undefined) =>
    Effect.gen(function* () {
      const build = yield* freshness.serving(PROJECTION)
      const found: Array<{ readonly key: string; readonly node: Merchant }> = []
      let last = after
      for (;;) {
        const wanted = first + 1 - found.length
        const answer = yield* readModels.query(build.id, partitionOf(""), [merchantsScan(last, wanted)])
        const rows = answer.rows[0] ?? []
        for (const { key, doc } of rows) {
          const node = toMerchant(key, doc)
          if (node !== undefined) found.push({ key, node })
        }
        last = rows.at(-1)?.key
        if (rows.length < wanted || found.length > first) return toPage(found, first, after)
      }
    })

  const list = (scope: Scope, args: PageArgs): Effect.Effect<Page<Merchant>, QueryError> =>
    Effect.gen(function* () {
      const { first, after } = yield* pageArgs(args)
      if (scope._tag === "All") return yield* listAll(first, after)
      const own = Option.fromNullable(yield* find(scope, scope.merchantId))
      const items = Option.toArray(own).map((node) => ({ key: node.id, node }))
      return toPage(
        items.filter(({ key }) => after === undefined || key > after),
        first,
        after,
      )
    })

  return { find, system, settingsAt, several, list }
}
