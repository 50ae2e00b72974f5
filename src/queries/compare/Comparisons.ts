import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Position } from "../../domain/Position.js"
import type { CommandRefused } from "../../processors/Commands.js"
import type { ProcessorsService } from "../../processors/Processors.js"
import type { Build, ReadModelsService, ReadModelsUnavailable } from "../../readmodels/ReadModels.js"
import { buildingIn, servingIn } from "../../readmodels/Registry.js"
import { invalidCursor, type Page, type PageArgs, pageArgs, toPage } from "../Page.js"
import { type QueryError, refused } from "../QueryError.js"
import { type Compared, compareBuilds } from "./CompareBuilds.js"
import type { Difference } from "./Difference.js"

export interface Comparison extends Compared {
  readonly from: Build
  readonly to: Build
  /** Both builds hold the events up to here. */
  readonly position: Position
}

/** Another place to compare two builds, until the scope ends. */
export interface ComparisonAside {
  /** Opens both builds as they are at that moment. */
  readonly open: Effect.Effect<void, ReadModelsUnavailable>
  /** Compares them as they were when they were opened, however long that takes. */
  readonly compared: Effect.Effect<Compared, QueryError>
}

export type PrepareComparison = (
  from: Build,
  to: Build,
  collections: ReadonlyArray<string>,
) => Effect.Effect<ComparisonAside, ReadModelsUnavailable, Scope.Scope>

export interface Comparisons {
  /**
   * Compares two builds of a projection at one position; where one is of a merchant, that merchant alone. By default
   * the one that serves with the one that is being built, or else the one that served before with the one that serves. With `position`, gives again what was found
   * when they were compared there, so that it can be paged.
   */
  readonly compare: (
    name: string,
    asked: {
      readonly from?: string | null | undefined
      readonly to?: string | null | undefined
      readonly position?: string | null | undefined
    },
  ) => Effect.Effect<Comparison, QueryError | CommandRefused>
  readonly page: (comparison: Comparison, args: PageArgs) => Effect.Effect<Page<Difference>, QueryError>
}

/** Comparisons that are kept for paging. */
const KEPT = 8

/** Cursors are places in the list: they sort as they count. */
const placeOf = (index: number): string => String(index).padStart(6, "0")

export interface ComparisonsDeps {
  readonly readModels: ReadModelsService
  readonly processors: ProcessorsService
  /** The collections of a projection's builds. */
  readonly collectionsOf: (projection: string) => ReadonlyArray<string>
  /** Here, while both builds stand still, when missing. */
  readonly prepare?: PrepareComparison | undefined
}

export const makeComparisons = (deps: ComparisonsDeps): Effect.Effect<Comparisons> =>
  Effect.gen(function* () {
    const { readModels, processors, collectionsOf, prepare } = deps
    const kept = new Map<string, Comparison>()
    // One at a time: each reads everything.
    const turn = yield* Effect.makeSemaphore(1)

    const buildsOf = (name: string, from: string | undefined, to: string | undefined) =>
      Effect.gen(function* () {
        const builds = (yield* readModels.builds).filter(({ projection }) => projection === name)
        const serving = servingIn(builds, name)
        if (serving === undefined) {
          return yield* refused("PROJECTION_UNKNOWN", `there is no projection "${name.slice(0, 64)}"`)
        }
        const find = (id: string) => {
          const build = builds.find((one) => one.id === id)
          return build === undefined
            ? refused("BUILD_UNKNOWN", `${name} has no build "${id.slice(0, 64)}"`)
            : Effect.succeed(build)
        }
        const building = buildingIn(builds)
        const previous = builds
          .filter(({ state, merchantId }) => state === "STANDBY" && merchantId === undefined)
          .toSorted((a, b) => (b.replaced?.at ?? 0) - (a.replaced?.at ?? 0))[0]
        const answering =
          building?.merchantId === undefined ? serving : servingIn(builds, name, building.merchantId)
        const standard = building === undefined ? [previous, serving] : [answering, building]
        const one = from === undefined ? standard[0] : yield* find(from)
        const other = to === undefined ? standard[1] : yield* find(to)
        if (one !== undefined && one.id === other?.id) {
          return yield* refused(
            "NOTHING_TO_COMPARE",
            `${one.id} is the same build as ${one.id}: name another one as from or to`,
          )
        }
        if (one === undefined || other === undefined) {
          return yield* refused(
            "NOTHING_TO_COMPARE",
            `${name} has one build: rebuild it, or name two builds as from and to`,
          )
        }
        const merchants = new Set([one, other].flatMap(({ merchantId }) => merchantId ?? []))
        if (merchants.size > 1) {
          return yield* refused(
            "NOTHING_TO_COMPARE",
            `${one.id} is of ${one.merchantId} and ${other.id} of ${other.merchantId}: compare each with the build of all merchants`,
          )
        }
        return [one, other] as const
      })

    const compared = (from: Build, to: Build) =>
      Effect.scoped(
        Effect.gen(function* () {
          const collections = collectionsOf(from.projection)
          if (prepare === undefined) {
            const position = yield* processors.holdLevel(from.id, to.id)
            return { ...(yield* compareBuilds(readModels, from, to, collections)), from, to, position }
          }
          // Builds stand still until both are open: all that takes long comes before or after.
          const aside = yield* prepare(from, to, collections)
          const position = yield* Effect.scoped(
            Effect.tap(processors.holdLevel(from.id, to.id), () => aside.open),
          )
          return { ...(yield* aside.compared), from, to, position }
        }),
      ).pipe(turn.withPermits(1))

    return {
      compare: (name, asked) =>
        Effect.gen(function* () {
          const [from, to] = yield* buildsOf(name, asked.from ?? undefined, asked.to ?? undefined)
          if (asked.position !== undefined && asked.position !== null) {
            const known = kept.get(`${from.id} ${to.id} ${asked.position}`)
            if (known !== undefined) return known
            return yield* refused(
              "COMPARISON_UNKNOWN",
              `what was found at position ${asked.position.slice(0, 40)} is not kept any more: leave position out to compare again`,
            )
          }
          const comparison = yield* compared(from, to)
          kept.set(`${from.id} ${to.id} ${comparison.position}`, comparison)
          const [oldest] = kept.keys()
          if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest)
          return comparison
        }),
      page: ({ differences }, args) =>
        Effect.flatMap(pageArgs(args), ({ first, after }) => {
          if (after !== undefined && !/^\d{6}$/.test(after)) return Effect.fail(invalidCursor())
          const begin = after === undefined ? 0 : Number(after) + 1
          const items = differences
            .slice(begin, begin + first + 1)
            .map((node, index) => ({ key: placeOf(begin + index), node }))
          return Effect.succeed(toPage(items, first, after))
        }),
    }
  })
