import { describe, it } from "vitest"
import { funnel, makeFunnel } from "../../../src/projections/funnel.js"
import { given as givenTo } from "../../support/given.js"

const given = givenTo(funnel)
const view = (at: string, client?: string) => ({ type: "pageview", at: `2026-03-01T${at}Z`, client }) as const
const paid = (at: string, client?: string) => ({ type: "payment", at: `2026-03-01T${at}Z`, client }) as const

describe("the funnel", () => {
  it("counts each client once a day at each step", () => {
    given(
      view("10:00", "ann"),
      view("10:01", "ann"),
      paid("10:02", "ann"),
      paid("10:03", "ann"),
      view("11:00", "bob"),
      view("12:00"),
    ).expect({ days: { "m-1/2026-03-01": { reached: [2, 1] } } })
  })

  it("counts no payment before the first view, unless a view turns out to have come before it", () => {
    given(paid("10:00", "ann"), view("10:01", "ann")).expect({
      days: { "m-1/2026-03-01": { reached: [1, 0] } },
    })
    given(paid("10:00", "ann"), view("10:01", "ann"), view("09:59", "ann")).expect({
      days: { "m-1/2026-03-01": { reached: [1, 1] } },
    })
  })

  it("keeps days and merchants apart", () => {
    given(
      view("10:00", "ann"),
      { type: "payment", at: "2026-03-02T00:00Z", client: "ann" },
      { ...view("10:00", "ann"), merchantId: "m-2" },
    ).expect({
      days: { "m-1/2026-03-01": { reached: [1, 0] }, "m-2/2026-03-01": { reached: [1, 0] } },
      visits: {
        "m-1/2026-03-01/ann": { seen: [[36_000_000, 0]], reached: 1 },
        "m-1/2026-03-02/ann": { seen: [[0, 1]], reached: 0 },
        "m-2/2026-03-01/ann": { seen: [[36_000_000, 0]], reached: 1 },
      },
    })
  })

  it("has the steps that it is made with", () => {
    const type = (name: string) => ({ name, is: (event: { readonly type: string }) => event.type === name })
    const three = makeFunnel({
      name: "cart",
      version: 1,
      steps: [type("view"), type("cart"), type("payment")],
    })
    const step = (name: string, at: string) => ({ type: name, at: `2026-03-01T${at}Z`, client: "ann" })
    givenTo(three)(step("view", "10:00"), step("payment", "10:01"), step("cart", "10:02")).expect({
      days: { "m-1/2026-03-01": { reached: [1, 1, 0] } },
    })
    givenTo(three)(step("payment", "10:03"), step("cart", "10:02"), step("view", "10:00")).expect({
      days: { "m-1/2026-03-01": { reached: [1, 1, 1] } },
    })
  })
})
