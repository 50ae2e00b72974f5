import { type AddressRange, parseAddressRange } from "./AddressRange.js"

/** Clients with an idle time of their own: those in one of the address ranges, and those in one of the countries. */
export interface IdleGroup {
  /** In CIDR notation. */
  readonly addresses?: ReadonlyArray<string>
  /** ISO 3166-1, two capital letters. */
  readonly countries?: ReadonlyArray<string>
  readonly idleAfterSeconds: number
}

/** What a merchant, or the system, says about the idle times of clients. */
export interface IdleSettings {
  /** 0 or missing where it says nothing. */
  readonly idleAfterSeconds?: number
  /** The first group that a client is in counts, and comes before `idleAfterSeconds`. */
  readonly idleGroups?: ReadonlyArray<IdleGroup>
}

/** Idle time of clients that nobody says anything about, and that the program is started with, unless told otherwise. */
export const STANDARD_IDLE_AFTER_MS = 1_800_000

/** What is known of a client that decides its group. */
export interface Whereabouts {
  /** Number of its network (`AddressRange`); below 0 when none is known. */
  readonly address: number
  /** `countryCode`; 0 when none is known. */
  readonly country: number
}

/** A country as 16 bits; 0 for none. */
export const countryCode = (country: string | undefined): number =>
  country?.length === 2 ? (country.charCodeAt(0) << 8) | country.charCodeAt(1) : 0

export const countryOf = (code: number): string | undefined =>
  code === 0 ? undefined : String.fromCharCode(code >> 8, code & 255)

interface Compiled {
  readonly groups: ReadonlyArray<{
    readonly ranges: ReadonlyArray<AddressRange>
    readonly countries: ReadonlySet<number>
    readonly afterMs: number
  }>
  readonly afterMs: number | undefined
}

/** Settings are looked at for each event, and change hardly ever. */
const known = new WeakMap<IdleSettings, Compiled>()

const compile = (settings: IdleSettings): Compiled => {
  const found = known.get(settings)
  if (found !== undefined) return found
  const compiled: Compiled = {
    groups: (settings.idleGroups ?? []).map(({ addresses = [], countries = [], idleAfterSeconds }) => ({
      ranges: addresses.flatMap((text) => parseAddressRange(text) ?? []),
      countries: new Set(countries.map(countryCode)),
      afterMs: idleAfterSeconds * 1000,
    })),
    afterMs: settings.idleAfterSeconds ? settings.idleAfterSeconds * 1000 : undefined,
  }
  known.set(settings, compiled)
  return compiled
}

const within = ({ groups, afterMs }: Compiled, { address, country }: Whereabouts): number | undefined => {
  for (const group of groups) {
    if (country !== 0 && group.countries.has(country)) return group.afterMs
    if (address >= 0 && group.ranges.some(({ from, to }) => from <= address && address <= to))
      return group.afterMs
  }
  return afterMs
}

/** The idle time of a client in ms: its merchant's word, else the system's, else `standardMs`. */
export const idleTimeOf = (
  merchant: IdleSettings | undefined,
  system: IdleSettings | undefined,
  standardMs: number,
  whereabouts: Whereabouts,
): number =>
  (merchant === undefined ? undefined : within(compile(merchant), whereabouts)) ??
  (system === undefined ? undefined : within(compile(system), whereabouts)) ??
  standardMs

/** The longest of a merchant's clients, ms: one that was silent for longer is idle whatever group it is in. */
export const longestIdleTime = (
  merchant: IdleSettings | undefined,
  system: IdleSettings | undefined,
  standardMs: number,
): number => {
  const longest = (settings: IdleSettings | undefined, otherwise: () => number): number => {
    if (settings === undefined) return otherwise()
    const { groups, afterMs } = compile(settings)
    return Math.max(afterMs ?? otherwise(), ...groups.map((group) => group.afterMs))
  }
  return longest(merchant, () => longest(system, () => standardMs))
}
