import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { minorDigits, toMinorUnits } from "../../../src/domain/MinorUnits.js"

const amounts = fc.bigInt({ min: 0n, max: BigInt(Number.MAX_SAFE_INTEGER) })
const digitCounts = fc.integer({ min: 0, max: 4 })

/** The amount as people write it, made without arithmetic. */
const write = (minor: bigint, digits: number): string => {
  const text = String(minor).padStart(digits + 1, "0")
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`
}

describe("an amount in major units", () => {
  it("becomes exactly the minor units that were written, for every amount", () => {
    fc.assert(
      fc.property(amounts, digitCounts, (minor, digits) => {
        expect(toMinorUnits(write(minor, digits), digits)).toBe(Number(minor))
      }),
      { numRuns: 2_000 },
    )
  })

  it("is the same with more zeros before and after it", () => {
    fc.assert(
      fc.property(amounts, digitCounts, fc.integer({ min: 0, max: 30 }), (minor, digits, zeros) => {
        const text = write(minor, digits)
        const longer = `${"0".repeat(zeros)}${text}${digits === 0 ? "." : ""}${"0".repeat(zeros)}`
        expect(toMinorUnits(longer, digits)).toBe(Number(minor))
      }),
    )
  })

  it("is refused, never rounded, when it has more decimals than the currency", () => {
    fc.assert(
      fc.property(amounts, digitCounts, fc.integer({ min: 1, max: 9 }), (minor, digits, last) => {
        const text = write(minor, digits)
        expect(toMinorUnits(`${text}${digits === 0 ? "." : ""}${last}`, digits)).toBe("TOO_FINE")
      }),
    )
  })

  it.each([
    ["12.45", "USD", 1245],
    ["700.07", "USD", 70007],
    ["1.1", "USD", 110],
    ["12.4500", "USD", 1245],
    ["8.20", "JPY", "TOO_FINE"],
    ["820", "JPY", 820],
    ["820.0", "JPY", 820],
    ["1.234", "KWD", 1234],
    ["1.234", "IQD", 1234],
    ["1.23", "HUF", 123],
    ["1.2345", "CLF", 12345],
    ["12.455", "USD", "TOO_FINE"],
    [".5", "USD", 50],
    ["5.", "USD", 500],
    ["0", "USD", 0],
    ["90071992547409.91", "USD", Number.MAX_SAFE_INTEGER],
    ["90071992547409.92", "USD", "TOO_LARGE"],
    ["9".repeat(100_000), "USD", "TOO_LARGE"],
    ["-1", "USD", "NOT_DECIMAL"],
    ["+1", "USD", "NOT_DECIMAL"],
    ["1,234.50", "USD", "NOT_DECIMAL"],
    ["1e3", "USD", "NOT_DECIMAL"],
    ["$5", "USD", "NOT_DECIMAL"],
    ["", "USD", "NOT_DECIMAL"],
    [".", "USD", "NOT_DECIMAL"],
    ["NaN", "USD", "NOT_DECIMAL"],
    ["١٢", "USD", "NOT_DECIMAL"],
  ])("%s %s is %s", (text, currency, expected) => {
    expect(toMinorUnits(text, minorDigits(currency) as number)).toBe(expected)
  })

  it("has no minor units where ISO 4217 gives none", () => {
    expect(["XAU", "XDR", "XXX"].map(minorDigits)).toEqual([undefined, undefined, undefined])
  })
})
