import { readFileSync } from "node:fs"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type CountryOf, openCountryDatabase } from "../collect/CountryLookup.js"

/** `TIDEMARK_COUNTRY_FILE` names a file that can't be used. */
export class CountryFileUnreadable extends Data.TaggedError("CountryFileUnreadable")<{
  readonly file: string
  readonly reason: string
}> {
  override get message(): string {
    return `cannot use TIDEMARK_COUNTRY_FILE ${this.file}: ${this.reason}. It must be a country database in MaxMind DB format (.mmdb); without the variable, countries are not looked up`
  }
}

/** Reads the whole file into memory; answers how to look up countries, or undefined when no file is named. */
export const loadCountryFile = (
  file: Option.Option<string>,
): Effect.Effect<CountryOf | undefined, CountryFileUnreadable> => {
  if (Option.isNone(file)) return Effect.succeed(undefined)
  const name = file.value
  return Effect.try({
    try: () => openCountryDatabase(readFileSync(name)),
    catch: (cause) =>
      new CountryFileUnreadable({
        file: name,
        reason: cause instanceof Error ? cause.message : String(cause),
      }),
  }).pipe(
    Effect.tap(({ type, builtAt }) =>
      Effect.logInfo(`countries are looked up in ${name} (${type} of ${builtAt.toISOString().slice(0, 10)})`),
    ),
    Effect.map(({ countryOf }) => countryOf),
  )
}
