/**
 * Decimals of a currency's minor unit (ISO 4217, list one). Written down here because `Intl` answers with
 * those of CLDR, which says how people write amounts: 0 for HUF and IQD, where ISO 4217 has 2 and 3.
 */
const exceptions: ReadonlyMap<string, number> = new Map([
  ..."BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
    .split(" ")
    .map((code) => [code, 0] as const),
  ..."BHD IQD JOD KWD LYD OMR TND".split(" ").map((code) => [code, 3] as const),
  ["CLF", 4],
  ["UYW", 4],
])

/** Metals, units of account and the code for no currency: they have no minor unit. */
const without: ReadonlySet<string> = new Set("XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX".split(" "))

/** Decimals of the minor unit of an ISO 4217 code; undefined for what has none. */
export const minorDigits = (currency: string): number | undefined =>
  without.has(currency) ? undefined : (exceptions.get(currency) ?? 2)

const decimal = /^(?:(\d+)(?:\.(\d*))?|\.(\d+))$/

/** Why a decimal text is not an amount; `TOO_FINE` has more decimals than the currency. */
export type AmountFault = "NOT_DECIMAL" | "TOO_FINE" | "TOO_LARGE"

/**
 * Minor units of a decimal text, from its digits alone: `12.45` with 2 digits is 1245, whatever a double
 * would make of it. Nothing is rounded. Takes no sign, exponent or grouping.
 *
 * @param digits decimals of the minor unit
 */
export const toMinorUnits = (text: string, digits: number): number | AmountFault => {
  const match = decimal.exec(text)
  if (match === null) return "NOT_DECIMAL"
  const fraction = (match[2] ?? match[3] ?? "").replace(/0+$/, "")
  if (fraction.length > digits) return "TOO_FINE"
  const whole = (match[1] ?? "").replace(/^0+/, "")
  // Past 20 digits it is too large whatever they are: no text makes a huge number of it.
  if (whole.length > 20) return "TOO_LARGE"
  const amount = BigInt(`${whole}${fraction.padEnd(digits, "0")}` || "0")
  return amount > BigInt(Number.MAX_SAFE_INTEGER) ? "TOO_LARGE" : Number(amount)
}
