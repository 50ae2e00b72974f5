import { max, type Position, start } from "../domain/Position.js"
import type { Act, Build, Registered } from "../readmodels/ReadModels.js"
import { servingIn, withBuild } from "../readmodels/Registry.js"
import type { Definition } from "./Processors.js"

/** Those that are not about to be removed. */
export const present = (now: Registered): ReadonlyArray<Build> =>
  now.builds.filter(({ dropped }) => dropped === undefined)

/** The build that answers what is asked about this merchant, or about all. */
export const servingOf = (now: Registered, merchantId?: string): Build | undefined =>
  servingIn(present(now), now.projection, merchantId)

/** The build of this merchant, or of all, that catches up. */
export const buildingOf = (now: Registered, merchantId?: string): Build | undefined =>
  present(now).find((build) => build.state === "BUILDING" && build.merchantId === merchantId)

/** The build of all merchants that served last before the present one. */
export const previousOf = (now: Registered): Build | undefined =>
  present(now)
    .filter(
      ({ state, replaced, merchantId }) =>
        state === "STANDBY" && replaced !== undefined && merchantId === undefined,
    )
    .toSorted((a, b) => (b.replaced?.at ?? 0) - (a.replaced?.at ?? 0))[0]

/** A new build of the definition, beside what is there. */
export const newBuild = (
  now: Registered,
  { definition, fingerprint, isReactor }: Omit<Definition, "projection">,
  state: "SERVING" | "BUILDING",
  made: Act,
  promoteWhenLevel: boolean,
  /** Of a reactor: what lies up to here is the business of the build before, or of nobody. */
  gate: Position,
  merchantId?: string,
): Registered =>
  withBuild(now, {
    id: `${now.projection}-${now.numbered + 1}`,
    projection: now.projection,
    definition,
    fingerprint,
    state,
    made,
    ...(merchantId === undefined ? {} : { merchantId }),
    ...(isReactor === true ? { gate, acts: state === "SERVING" ? [{ after: gate }] : [] } : {}),
    ...(promoteWhenLevel ? { promoteWhenLevel } : {}),
  })

/**
 * The build serves; the one that did stands by. Of a reactor the one acts up to `handover`, where it stands, and the
 * other from there on: each event is the business of one build. A build of one merchant lies over that of all from
 * then on, which serves on.
 */
export const promoted = (now: Registered, build: Build, act: Act, handover?: Position): Registered => {
  const { promoteWhenLevel: _, replaced: __, ...rest } = build
  const { merchantId } = build
  const before = servingOf(now, merchantId)
  // One that was made to serve while it was behind begins later than it stands.
  const after = max(handover ?? start, before?.acts?.at(-1)?.after ?? start)
  const acts = rest.acts === undefined ? {} : { acts: [...rest.acts, { after }] }
  const over = merchantId === undefined ? undefined : servingOf(now)?.id
  const next = withBuild(now, {
    ...{ ...rest, ...acts, state: "SERVING", promoted: act },
    ...(over === undefined ? {} : { over }),
  })
  const ended = (one: Build): Build => ({
    ...one,
    replaced: act,
    ...(one.acts === undefined
      ? {}
      : {
          acts: one.acts.map((acting) => (acting.upTo === undefined ? { ...acting, upTo: after } : acting)),
        }),
  })
  const isReplaced = (one: Build): boolean => one.id === before?.id && one.merchantId === merchantId
  return { ...next, builds: next.builds.map((one) => (isReplaced(one) ? ended(one) : one)), last: act }
}

/** The build is about to be removed: it has gone for everybody but the one who clears up. So have those over it. */
export const dropped = (now: Registered, build: string, act: Act): Registered => ({
  ...now,
  builds: now.builds.map((one) =>
    one.dropped === undefined && (one.id === build || one.over === build) ? { ...one, dropped: act } : one,
  ),
})

/** Every change of the build that answers, for a merchant or for all; those for all first. */
export const switchesIn = (
  before: Registered,
  after: Registered,
): ReadonlyArray<{ readonly from: Build; readonly to: Build }> =>
  [undefined, ...new Set(present(after).flatMap(({ merchantId }) => merchantId ?? []))].flatMap(
    (merchantId) => {
      const [from, to] = [servingOf(before, merchantId), servingOf(after, merchantId)]
      return from === undefined || to === undefined || from.id === to.id ? [] : [{ from, to }]
    },
  )
