import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { csvFormat } from "../../../src/cli/import/csvFormat.js"
import { csvRow } from "../../../src/cli/import/csvRow.js"
import { parseMapping } from "../../../src/cli/import/Mapping.js"
import { fromIso, fromMilliseconds, fromSeconds, slug, Unfit } from "../../../src/cli/import/transforms.js"
import { good } from "../collect/support.js"

const needed = ["type=payment", "merchantId=m", "timestamp=2026-01-01T00:00:00Z"]

/** Rows of a small file, each as the event that it gives or as the reason why it gives none. */
const convert = (maps: string[], sets: string[], rows: ReadonlyArray<ReadonlyArray<string>>) => {
  const format = csvFormat({ mapping: parseMapping(maps, sets), source: "f.csv", delimiter: "," })
  let offset = 0
  return rows.flatMap((row, line) => {
    const bytes = Buffer.from(csvRow(row))
    const converted = format.convert({ offset, line: line + 1, bytes })
    offset += bytes.length + 1
    if ("problem" in converted) return [converted.problem]
    return converted.events.map(({ json }) => JSON.parse(json))
  })
}

describe("the mapping of columns to fields", () => {
  it("makes the payments of the example in the documentation", () => {
    const [event] = convert(
      [
        "merchantId=company:slug",
        "timestamp=trip_start_timestamp:seconds",
        "amount=fare:major",
        "paymentMethod=payment_type",
      ],
      ["type=payment", "currency=USD"],
      [
        ["company", "trip_start_timestamp", "fare", "payment_type"],
        ["Taxi Affiliation Services", "1400269500", "12.45", "Credit Card"],
      ],
    )
    expect(event).toEqual({
      id: "f.csv:47",
      type: "payment",
      merchantId: "Taxi_Affiliation_Services",
      timestamp: 1_400_269_500_000,
      amount: 1245,
      currency: "USD",
      paymentMethod: "Credit Card",
    })
  })

  it("fills every field of an event, and collection takes it", () => {
    const fields = {
      id: "e-1",
      type: "refund",
      merchantId: "m-1",
      clientId: "c-1",
      currency: "EUR",
      paymentMethod: "card",
      pointsUsed: "5",
      pointsEarned: "7",
      url: "/a",
      referrer: "https://x.example/",
      ip: "192.0.2.1",
      method: "POST",
      userAgent: "x",
      "user.grade": "gold",
      "user.gender": "f",
      "user.birthYear": "1990",
      "user.country": "JP",
      "user.device": "mobile",
      "properties.sku": "A-1",
      "properties.a.b": "c",
    }
    const [event] = convert(
      [
        ...Object.keys(fields).map((field) => `${field}=${field}`),
        "timestamp=t:milliseconds",
        "amount=a:minor",
      ],
      [],
      [
        [...Object.keys(fields), "t", "a"],
        [...Object.values(fields), "1400269500123", "99"],
      ],
    )
    expect(event).toMatchObject({
      timestamp: 1_400_269_500_123,
      amount: 99,
      pointsUsed: 5,
      user: { grade: "gold", birthYear: 1990, country: "JP" },
      properties: { sku: "A-1", "a.b": "c" },
    })
    expect(good(event).data).toMatchObject({ id: "e-1", amount: 99, currency: "EUR", pointsEarned: 7 })
  })

  it("leaves out what is empty, or takes the constant", () => {
    const header = ["p", "c", "a"]
    const maps = ["paymentMethod=p", "currency=c", "amount=a:major"]
    expect(
      convert(
        maps,
        [...needed, "currency=JPY"],
        [header, ["", "", "820"], ["cash", "KWD", "1.5"], [" ", "USD", "1"]],
      ),
    ).toMatchObject([
      { amount: 820, currency: "JPY" },
      { amount: 1500, currency: "KWD", paymentMethod: "cash" },
      { amount: 100, currency: "USD" },
    ])
  })

  it("says of a row what is missing or can't be transformed, and guesses nothing", () => {
    const header = ["id", "m", "t", "a", "c", "n"]
    const maps = ["id=id", "merchantId=m", "timestamp=t:iso", "amount=a:major", "currency=c", "pointsUsed=n"]
    const at = "2026-01-01T00:00:00Z"
    const rows = [
      ["", "m", at, "1", "USD", ""],
      ["1", "", at, "1", "USD", ""],
      ["1", "m", "", "1", "USD", ""],
      ["1", "m", at, "", "USD", ""],
      ["1", "m", at, "12.455", "USD", ""],
      ["1", "m", at, "-1", "USD", ""],
      ["1", "m", at, "1", "Dollar", ""],
      ["1", "m", at, "1", "XDR", ""],
      ["1", "m", at, "1", "", ""],
      ["1", "m", "2026-01-01T00:00:00", "1", "USD", ""],
      ["1", "m", "yesterday", "1", "USD", ""],
      ["1", "m", at, "1", "USD", "1.5"],
      ["1", "m", at, "1", "USD"],
    ]
    expect(convert(maps, ["type=payment"], [header, ...rows])).toEqual([
      "id is empty",
      "merchantId is empty",
      "timestamp is empty",
      "amount is empty",
      "amount has more decimals than USD, which has 2",
      "amount is not an amount such as 12.45",
      "amount can't be read, as its currency is no code of ISO 4217",
      "amount can't be read, as XDR has no minor unit",
      "amount can't be read, as its currency is no code of ISO 4217",
      "timestamp has no zone: it must end with Z or an offset such as +09:00",
      "timestamp is not ISO 8601, such as 2026-11-20T18:40:00Z",
      "pointsUsed is not a whole number from 0 up",
      "it has 5 fields where the header has 6",
    ])
  })

  it("takes columns whose names hold colons and signs of equality", () => {
    const rows = [
      ["a:b=c", "x:lower"],
      ["Up", "1"],
    ]
    expect(convert(["paymentMethod=a:b=c:lower"], [...needed, "amount=1"], rows)).toMatchObject([
      { paymentMethod: "up" },
    ])
  })

  it("reads a header after a byte order mark", () => {
    const format = csvFormat({
      mapping: parseMapping(["clientId=a"], [...needed, "amount=1"]),
      source: "f",
      delimiter: ";",
    })
    expect(format.convert({ offset: 0, line: 1, bytes: Buffer.from("\ufeffa;b") })).toMatchObject({
      header: true,
    })
    expect(format.memory()).toEqual(["a", "b"])
  })

  it.each([
    [["nonsense=a"], /"nonsense" is no field/],
    [["user.name=a"], /"user.name" is no field/],
    [["properties.__proto__=a"], /is no field/],
    [["amount=a"], /say how amount is written/],
    [["clientId=a:seconds"], /does not take the transform "seconds"/],
    [["amount=a:major"], /need their currency/],
    [["clientId=a", "clientId=b"], /clientId is mapped twice/],
    [["clientId"], /not of the form FIELD=COLUMN/],
  ])("refuses what it can't mean: %j", (maps, why) => {
    expect(() => parseMapping(maps, needed)).toThrow(why)
  })

  it.each([
    [["timestamp=now"], /timestamp=now/],
    [["amount=1.5"], /amount=1.5/],
    [["currency=usd"], /no currency/],
    [[], /an event needs type/],
  ])("refuses constants that no event could have: %j", (sets, why) => {
    expect(() =>
      parseMapping([], [...(sets.length === 0 ? [] : ["type=x", "merchantId=m"]), ...sets]),
    ).toThrow(why)
  })

  it("says which columns there are when one is missing", () => {
    expect(() => convert(["clientId=x"], [...needed, "amount=1"], [["a", "b"]])).toThrow(
      'no column "x". The file has: a, b',
    )
  })

  it.each([
    ["is not UTF-8", { bytes: Buffer.from("a,gr\xf6\xdfe", "latin1") }, /it is not UTF-8/],
    ["is too long", { bytes: Buffer.alloc(0), fault: "TOO_LONG" as const }, /longer than 1 MiB/],
    ["has an open quote", { bytes: Buffer.alloc(0), fault: "NOT_CLOSED" as const }, /is not closed/],
  ])("ends at a header that %s, rather than take the next row for it", (_, header, why) => {
    const mapping = parseMapping([], [...needed, "amount=1"])
    const format = csvFormat({ mapping, source: "f", delimiter: "," })
    expect(() => format.convert({ offset: 0, line: 1, ...header })).toThrow(why)
  })

  it("takes the same from a file", () => {
    const file = JSON.stringify({ map: { amount: "a:minor" }, set: { type: "payment", merchantId: "m" } })
    const sets = ["timestamp=2026-01-01T00:00:00Z"]
    expect(parseMapping([], sets, file)).toEqual(
      parseMapping(["amount=a:minor"], ["type=payment", "merchantId=m", ...sets]),
    )
    expect(() => parseMapping([], sets, '{"maps":{}}')).toThrow(/must be/)
    expect(() => parseMapping([], sets, "amount=a")).toThrow(/not JSON/)
  })
})

describe("a time", () => {
  it.each([
    ["1400269500", 1_400_269_500_000],
    ["1400269500.1239", 1_400_269_500_123],
    ["0", 0],
    ["-1", -1_000],
    ["-0.0001", -1],
  ])("of %s seconds is %d ms", (text, at) => expect(fromSeconds(text)).toBe(at))

  it.each(["", "1e9", "12:00", "١", "9".repeat(30)])("is not guessed from %j", (text) => {
    for (const read of [fromSeconds, fromMilliseconds, fromIso]) expect(read(text)).toBeInstanceOf(Unfit)
  })
})

describe("a merchant id made of a text", () => {
  const valid = /^[A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}$/
  const names = fc.oneof(
    fc.string(),
    fc.string({ unit: "grapheme" }),
    fc.stringMatching(/^[A-Za-z _.&-]{1,12}$/),
    fc.constantFrom(
      "A B",
      "A_B",
      "A-B",
      "A  B",
      " A B",
      "A B ",
      "Ä B",
      "a b",
      "_",
      "__",
      "日本",
      "日本 ",
      "x".repeat(65),
    ),
  )

  it("is always one that collection takes", () => {
    fc.assert(
      fc.property(names, (text) => {
        expect(slug(text)).toMatch(valid)
      }),
      { numRuns: 2_000 },
    )
  })

  it("is never that of another text", () => {
    fc.assert(
      fc.property(fc.uniqueArray(names, { minLength: 2, maxLength: 50 }), (texts) => {
        expect(new Set(texts.map(slug)).size).toBe(texts.length)
      }),
    )
  })

  it.each([
    ["Taxi Affiliation Services", "Taxi_Affiliation_Services"],
    ["4197 - 41842 Royal Star", "4197_-_41842_Royal_Star"],
    ["Chicago Elite Cab Corp.", "Chicago_Elite_Cab_Corp."],
    ["C & D Cab Co Inc", "C_D_Cab_Co_Inc-dcd07a09a6"],
  ])("of %s is %s", (text, id) => expect(slug(text)).toBe(id))
})
