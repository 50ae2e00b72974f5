import { isCurrency } from "../../domain/Currency.js"
import type { SettingsChange } from "../../domain/Settings.js"
import { isValidZone } from "../../domain/TimeBuckets.js"
import { isMerchantId } from "../../queries/MerchantQueries.js"
import { builder } from "../Builder.js"
import { SilentAfterEnum } from "./Enums.js"
import { type GivenGroup, IdleGroupInput, LONGEST_SILENCE, parseIdleGroups } from "./IdleGroup.js"
import { type UserErrorData, userError } from "./UserError.js"

const TEXT = 200

/** What becomes of a setting that is left out. */
interface Missing {
  readonly timezone: string
  readonly currency: string
  readonly others: string
}

const makeInput = (name: string, description: string, { timezone, currency, others: missing }: Missing) =>
  builder.inputType(name, {
    description,
    fields: (t) => ({
      id: t.id({
        required: true,
        description: "1 to 64 characters of A-Z a-z 0-9 _ . - and no _ at the beginning.",
      }),
      name: t.string({ description: `Name for people, up to ${TEXT} characters. ${missing}` }),
      timezone: t.string({ description: `IANA time zone, such as \`Europe/Berlin\`. ${timezone}` }),
      currency: t.field({ type: "Currency", description: `Currency of amounts that name none. ${currency}` }),
      grade: t.string({ description: `Grade, up to ${TEXT} characters. ${missing}` }),
      location: t.string({ description: `Place, up to ${TEXT} characters. ${missing}` }),
      businessType: t.string({ description: `What it does, up to ${TEXT} characters. ${missing}` }),
      idleAfterSeconds: t.int({
        description: `Silence after which its clients are idle: 1 to ${LONGEST_SILENCE} seconds. ${missing}`,
      }),
      idleGroups: t.field({
        type: [IdleGroupInput],
        description: `Idle times of some of its clients, in place of all groups before: the first that a client is in counts. ${missing}`,
      }),
      silentAfterSeconds: t.int({
        description: `Silence after which it is reported itself: 1 to ${LONGEST_SILENCE} seconds, 0 for never. ${missing}`,
      }),
      silentAfter: t.field({
        type: SilentAfterEnum,
        description: `Whether that is decided by \`silentAfterSeconds\`, or learned. ${missing}`,
      }),
    }),
  })

export const CreateMerchantInput = makeInput("CreateMerchantInput", "A new merchant.", {
  timezone: "UTC when left out.",
  currency: "USD when left out.",
  others: "May be left out.",
})
const STAYS = "Stays as it is when left out or null."
export const UpdateMerchantInput = makeInput("UpdateMerchantInput", "New settings of a merchant.", {
  timezone: STAYS,
  currency: STAYS,
  others: STAYS,
})

export type MerchantInput = { readonly id: string } & {
  readonly [K in keyof Omit<SettingsChange, "idleGroups">]?: SettingsChange[K] | null | undefined
} & { readonly idleGroups?: ReadonlyArray<GivenGroup> | null | undefined }

/** The zone as IANA writes it: the same zone in other letters would be another to the buckets. */
const spelled = (zone: string): string => {
  const known = new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone
  return known.toLowerCase() === zone.toLowerCase() ? known : zone
}

/** The settings that the input changes, or everything that is wrong with it. */
export const parseSettings = (
  input: MerchantInput,
): { readonly errors: ReadonlyArray<UserErrorData>; readonly change: SettingsChange } => {
  const errors: Array<UserErrorData> = []
  const wrong = (code: string, message: string, field: string): void => {
    errors.push(userError(code, message, "input", field))
  }
  if (!isMerchantId(input.id)) {
    wrong("INVALID_ID", "id must be 1 to 64 characters of A-Z a-z 0-9 _ . - and not begin with _", "id")
  }
  for (const field of ["name", "grade", "location", "businessType"] as const) {
    if ((input[field]?.length ?? 0) > TEXT)
      wrong("TOO_LONG", `${field} is longer than ${TEXT} characters`, field)
  }
  const { timezone, currency, idleAfterSeconds: silence } = input
  const zoneIsGood = typeof timezone !== "string" || isValidZone(timezone)
  if (!zoneIsGood) {
    wrong(
      "INVALID_TIMEZONE",
      `"${timezone.slice(0, 64)}" is not an IANA time zone, such as "Europe/Berlin"`,
      "timezone",
    )
  }
  if (typeof currency === "string" && !isCurrency(currency)) {
    wrong(
      "INVALID_CURRENCY",
      `"${currency.slice(0, 20)}" is not a currency code of ISO 4217, such as "USD"`,
      "currency",
    )
  }
  if (typeof silence === "number" && !(silence >= 1 && silence <= LONGEST_SILENCE)) {
    wrong("INVALID_IDLE_AFTER", `idleAfterSeconds must be 1 to ${LONGEST_SILENCE}`, "idleAfterSeconds")
  }
  const { silentAfterSeconds: silent } = input
  if (typeof silent === "number" && !(silent >= 0 && silent <= LONGEST_SILENCE)) {
    wrong("INVALID_SILENT_AFTER", `silentAfterSeconds must be 0 to ${LONGEST_SILENCE}`, "silentAfterSeconds")
  }
  const { id: _, ...settings } = input
  const given = Object.entries(settings).filter(([, value]) => value !== null && value !== undefined)
  const groups = input.idleGroups ? { idleGroups: parseIdleGroups(input.idleGroups, errors) } : {}
  const change = { ...Object.fromEntries(given), ...groups } as SettingsChange
  return {
    errors,
    change: typeof timezone === "string" && zoneIsGood ? { ...change, timezone: spelled(timezone) } : change,
  }
}
