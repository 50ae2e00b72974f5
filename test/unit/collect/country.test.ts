import { describe, expect, it } from "vitest"
import { openCountryDatabase } from "../../../src/collect/CountryLookup.js"
import { type Network, writeMmdb } from "../../support/Mmdb.js"
import { good } from "./support.js"

const country = (iso_code: string) => ({ country: { iso_code, names: { en: `Country ${iso_code}` } } })

const networks: ReadonlyArray<Network> = [
  { cidr: "203.0.113.0/24", record: country("JP") },
  { cidr: "203.0.113.128/25", record: country("KR") },
  { cidr: "203.0.113.200/32", record: country("FR") },
  { cidr: "198.51.100.0/24", record: { country_code: "de" } },
  { cidr: "192.0.2.0/24", record: { country: "BR" } },
  { cidr: "10.0.0.0/8", record: { asn: 64_512 } },
  { cidr: "2001:db8::/32", record: country("US") },
  { cidr: "2001:db8:1::/48", record: country("CA") },
]
const { countryOf } = openCountryDatabase(writeMmdb(networks))

describe("the country of an address", () => {
  it.each([
    ["203.0.113.7", "JP"],
    ["203.0.113.129", "KR"],
    ["203.0.113.200", "FR"],
    ["203.0.113.201", "KR"],
    ["2001:db8:2::1", "US"],
    ["2001:db8:1:ffff::1", "CA"],
    ["2001:0db8:0001:0000:0000:0000:0000:0001", "CA"],
  ])("is that of the narrowest network around it: %s is in %s", (ip, expected) => {
    expect(countryOf(ip)).toBe(expected)
    expect(countryOf(ip)).toBe(expected)
  })

  it.each(["::ffff:203.0.113.7", "::ffff:cb00:7107", "0:0:0:0:0:ffff:203.0.113.7"])(
    "is that of the IPv4 address which %s is",
    (ip) => expect(countryOf(ip)).toBe("JP"),
  )

  it("is read from flat records as well", () => {
    expect(countryOf("198.51.100.1")).toBe("DE")
    expect(countryOf("192.0.2.1")).toBe("BR")
  })

  it.each(["8.8.8.8", "::1", "fe80::1%eth0", "2001:db9::1", "10.1.2.3", "::203.0.114.1"])(
    "is not guessed where the file has none: %s",
    (ip) => {
      expect(countryOf(ip)).toBeUndefined()
      expect(countryOf(ip)).toBeUndefined()
    },
  )

  it("is found in a file that knows IPv4 only, which has none for IPv6", () => {
    const narrow = openCountryDatabase(writeMmdb(networks.slice(0, 3), 4))
    expect(narrow.countryOf("203.0.113.129")).toBe("KR")
    expect(narrow.countryOf("::ffff:203.0.113.7")).toBe("JP")
    expect(narrow.countryOf("cb00:7107::1")).toBeUndefined()
  })

  it("says what the file is", () => {
    const { type, builtAt } = openCountryDatabase(writeMmdb(networks))
    expect([type, builtAt.getTime()]).toEqual(["Test-Country", 1_790_000_000_000])
  })

  it("is not looked up in a file that is none, or has lost its end", () => {
    const whole = writeMmdb(networks)
    for (const broken of [Buffer.from("GIF89a"), Buffer.alloc(0), whole.subarray(0, whole.length / 2)]) {
      expect(() => openCountryDatabase(broken)).toThrow(/no MaxMind DB, or its end is missing/)
    }
    const end = whole.subarray(whole.lastIndexOf("MaxMind.com") - 3)
    expect(() => openCountryDatabase(end)).toThrow(/search tree is cut off/)
  })

  it("never fails an event, however damaged the file is inside", () => {
    const damaged = writeMmdb(networks)
    damaged.fill(0xff, 0, damaged.lastIndexOf("MaxMind.com") - 3)
    expect(openCountryDatabase(damaged).countryOf("203.0.113.7")).toBeUndefined()
  })
})

describe("the country of an event", () => {
  const ip = "203.0.113.7"

  it("is looked up where the event has an address and names none", () => {
    expect(good({ type: "pageview", merchantId: "m", ip }, { countryOf }).data.country).toBe("JP")
    expect(good({ type: "payment", amount: 1, merchantId: "m", ip }, { countryOf }).data.country).toBe("JP")
    const user = { grade: "gold", country: "" }
    expect(good({ type: "pageview", merchantId: "m", ip, user }, { countryOf }).data).toMatchObject({
      country: "JP",
      grade: "gold",
    })
  })

  it("is the one that was sent, if one was", () => {
    const user = { country: "fr" }
    expect(good({ type: "pageview", merchantId: "m", ip, user }, { countryOf }).data.country).toBe("FR")
  })

  it("is missing in requests, without an address, where the file has none, and without a file", () => {
    const missing = [
      good({ type: "request", merchantId: "m", ip }, { countryOf }),
      good({ type: "pageview", merchantId: "m", userAgent: "x" }, { countryOf }),
      good({ type: "pageview", merchantId: "m", ip: "8.8.8.8" }, { countryOf }),
      good({ type: "pageview", merchantId: "m", ip }),
    ]
    for (const { data } of missing) expect(data).not.toHaveProperty("country")
  })
})
