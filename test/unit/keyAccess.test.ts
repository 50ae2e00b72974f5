import { describe, expect, it } from "vitest"
import { hashOfKey, keyAccess } from "../../src/accounts/KeyAccess.js"

const issued = new Map([[hashOfKey("tmk_one"), { merchantId: "m-1", keyId: "k-1" }]])

const open = () => {
  let time = 0
  const access = keyAccess({
    adminKey: "root",
    findKey: async (hash) => issued.get(hash),
    now: () => time,
  })
  return { access, wait: (ms: number) => (time += ms) }
}

describe("access by key", () => {
  it("knows the administrator, whatever the case of the scheme", async () => {
    const { access } = open()
    expect(await access.principal("Bearer root")).toMatchObject({ _tag: "Administrator" })
    expect(await access.principal("bearer root")).toMatchObject({ _tag: "Administrator" })
  })

  it.each([undefined, "", "root", "Basic root", "Bearer", "Bearer root2", "Bearer ro ot"])(
    "refuses %s",
    async (header) => {
      expect(await open().access.principal(header)).toBeUndefined()
    },
  )

  it("looks no key up that is longer than any that was issued", async () => {
    let looked = 0
    const findKey = async () => {
      looked++
      return undefined
    }
    const long = "x".repeat(2_000)
    const access = keyAccess({ adminKey: long, findKey })
    expect(await access.principal(`Bearer ${long}y`)).toBeUndefined()
    expect(looked).toBe(0)
    expect(await access.principal(`Bearer ${long}`)).toMatchObject({ _tag: "Administrator" })
  })

  it("knows a merchant's key, and forgets a revoked one within five seconds", async () => {
    const { access, wait } = open()
    expect(await access.principal("Bearer tmk_one")).toEqual({
      _tag: "Merchant",
      merchantId: "m-1",
      keyId: "k-1",
    })
    const revoked = issued.get(hashOfKey("tmk_one"))!
    issued.delete(hashOfKey("tmk_one"))
    wait(5_001)
    expect(await access.principal("Bearer tmk_one")).toBeUndefined()
    issued.set(hashOfKey("tmk_one"), revoked)
    wait(501)
    expect(await access.principal("Bearer tmk_one")).toMatchObject({ merchantId: "m-1" })
  })
})
