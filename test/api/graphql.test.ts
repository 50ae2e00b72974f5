import { request } from "node:http"
import * as Effect from "effect/Effect"
import { getIntrospectionQuery } from "graphql"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { ADMIN_KEY, World } from "../unit/queries/world.js"

let world: World
beforeAll(async () => {
  world = await World.open()
  await world.send({ merchantId: "mine", clientId: "c-1" }, { merchantId: "theirs", clientId: "c-2" })
})
afterAll(() => world.close())

const keyOf = async (merchantId: string): Promise<{ key: string; keyId: string }> => {
  const { createApiKey } = await world.ask(
    'mutation ($id: ID!) { createApiKey(input: { merchantId: $id, label: "test" }) { key keyId userErrors { code } } }',
    { id: merchantId },
  )
  expect(createApiKey.userErrors).toEqual([])
  return createApiKey
}

describe("access", () => {
  it("without a key, or with a wrong one: 401 and UNAUTHENTICATED", async () => {
    for (const key of ["", "wrong"]) {
      const { status, body } = await world.post({ query: "{ merchants { nodes { id } } }" }, key)
      expect(status).toBe(401)
      expect(body.errors[0].extensions.code).toBe("UNAUTHENTICATED")
    }
  })

  it("a merchant's key sees its own data; another's looks like what does not exist", async () => {
    const { key } = await keyOf("mine")
    const query = `query ($id: ID!) { merchant(id: $id) { id } client(merchantId: $id, clientId: "c-2") { clientId } }`
    const theirs = await world.post({ query, variables: { id: "theirs" } }, key)
    const nobodys = await world.post({ query, variables: { id: "nobody" } }, key)
    expect(theirs.body).toEqual({ data: { merchant: null, client: null } })
    expect(nobodys.body).toEqual(theirs.body)
    const data = await world.ask(
      `{ merchant(id: "mine") { id client(clientId: "c-1") { clientId } } merchants { nodes { id } }
         client(clientId: "c-1") { clientId } }`,
      {},
      key,
    )
    expect(data).toEqual({
      merchant: { id: "mine", client: { clientId: "c-1" } },
      merchants: { nodes: [{ id: "mine" }] },
      client: null,
    })
  })

  it("an administrator's fields are FORBIDDEN to a merchant", async () => {
    const { key } = await keyOf("mine")
    for (const query of [
      "{ projections { name } }",
      '{ projection(name: "metrics") { name } }',
      "{ quarantine { entries { id } } }",
      'mutation { createMerchant(input: { id: "x" }) { userErrors { code } } }',
      'mutation { updateMerchant(input: { id: "mine", name: "x" }) { userErrors { code } } }',
      'mutation { createApiKey(input: { merchantId: "mine" }) { key } }',
      'mutation { revokeApiKey(input: { merchantId: "mine", keyId: "x" }) { keyId } }',
    ]) {
      expect(await world.refusal(query, {}, key), query).toBe("FORBIDDEN")
    }
  })

  it("a revoked key stops working", async () => {
    const { key, keyId } = await keyOf("mine")
    expect(await world.ask("{ merchants { nodes { id } } }", {}, key)).toBeDefined()
    const revoked = await world.ask(
      'mutation ($keyId: ID!) { revokeApiKey(input: { merchantId: "mine", keyId: $keyId }) { keyId userErrors { code } } }',
      { keyId },
    )
    expect(revoked.revokeApiKey).toEqual({ keyId, userErrors: [] })
    await expect
      .poll(async () => (await world.post({ query: "{ __typename }" }, key)).status, { timeout: 8_000 })
      .toBe(401)
  })
})

describe("mutations", () => {
  const create = `mutation ($input: CreateMerchantInput!) { createMerchant(input: $input) {
    merchant { id name timezone currency lastEventAt } userErrors { code path } } }`
  const update = `mutation ($input: UpdateMerchantInput!) { updateMerchant(input: $input) {
    merchant { id name timezone currency idleAfterSeconds } userErrors { code path } } }`

  it("a merchant can be read as soon as it is created or changed", async () => {
    const input = { id: "new", name: "New", timezone: "asia/tokyo", currency: "JPY" }
    const { createMerchant } = await world.ask(create, { input })
    const merchant = { id: "new", name: "New", timezone: "Asia/Tokyo", currency: "JPY", lastEventAt: null }
    expect(createMerchant).toEqual({ merchant, userErrors: [] })
    expect(await world.ask('{ merchant(id: "new") { name timezone } }')).toEqual({
      merchant: { name: "New", timezone: "Asia/Tokyo" },
    })
    const changed = await world.ask(update, { input: { id: "new", name: null, idleAfterSeconds: 60 } })
    expect(changed.updateMerchant).toEqual({
      merchant: { id: "new", name: "New", timezone: "Asia/Tokyo", currency: "JPY", idleAfterSeconds: 60 },
      userErrors: [],
    })
    expect(await world.ask('{ merchant(id: "new") { idleAfterSeconds } }')).toEqual({
      merchant: { idleAfterSeconds: 60 },
    })
  })

  it("says in userErrors what is wrong, and where", async () => {
    const errors = async (query: string, input: object) => {
      const data = await world.ask(query, { input })
      const payload = data.createMerchant ?? data.updateMerchant
      expect(payload.merchant).toBeNull()
      return payload.userErrors
    }
    const one = (code: string, field: string) => [{ code, path: ["input", field] }]
    expect(await errors(create, { id: "mine" })).toEqual(one("MERCHANT_EXISTS", "id"))
    expect(await errors(update, { id: "nobody" })).toEqual(one("MERCHANT_UNKNOWN", "id"))
    expect(await errors(create, { id: "_system" })).toEqual(one("INVALID_ID", "id"))
    expect(await errors(create, { id: "a b" })).toEqual(one("INVALID_ID", "id"))
    expect(await errors(create, { id: "a", timezone: "Mars/Olympus" })).toEqual(
      one("INVALID_TIMEZONE", "timezone"),
    )
    expect(await errors(create, { id: "a", currency: "usd" })).toEqual(one("INVALID_CURRENCY", "currency"))
    expect(await errors(update, { id: "mine", name: "n".repeat(201) })).toEqual(one("TOO_LONG", "name"))
    expect(await errors(update, { id: "mine", idleAfterSeconds: 0 })).toEqual(
      one("INVALID_IDLE_AFTER", "idleAfterSeconds"),
    )
  })
})

describe("what administrators see", () => {
  it("projections and how far they are", async () => {
    const { projections, projection } = await world.ask(
      `{ projections { name serving { id definition state position head lagMs progress etaSeconds } builds { id } }
         projection(name: "metrics") { name } }`,
    )
    expect(projections.map(({ name }: { name: string }) => name)).toEqual(["clients", "merchants", "metrics"])
    expect(projections[0].serving).toMatchObject({ state: "SERVING", definition: "clients@3" })
    expect(projection).toEqual({ name: "metrics" })
    expect(await world.ask('{ projection(name: "nothing") { name } }')).toEqual({ projection: null })
  })

  it("the quarantine", async () => {
    world.quarantined.push({ id: "q", at: 0, keyId: "k", code: "C", message: "M", size: 1, event: { a: 1 } })
    const query = "query ($first: Int) { quarantine(first: $first) { entries { id at event size } next } }"
    expect(await world.ask(query)).toEqual({
      quarantine: {
        entries: [{ id: "q", at: "1970-01-01T00:00:00.000Z", event: { a: 1 }, size: 1 }],
        next: null,
      },
    })
    expect(await world.refusal(query, { first: 201 })).toBe("INVALID_FIRST")
  })
})

describe("scalars", () => {
  const totals =
    'query ($from: DateTime!, $to: DateTime!) { merchant(id: "mine") { totals(range: { from: $from, to: $to }) { range { from to } } } }'

  it("takes instants with any offset and gives UTC", async () => {
    const data = await world.ask(totals, { from: "2026-01-01T09:00:00+09:00", to: "2026-01-02" })
    expect(data.merchant.totals.range).toEqual({
      from: "2026-01-01T00:00:00.000Z",
      to: "2026-01-02T00:00:00.000Z",
    })
  })

  it("explains an instant that it can't read", async () => {
    for (const from of [
      "yesterday",
      "2026-02-30T00:00:00Z",
      "2026-01-01T00:00:00",
      "2026-13-01T00:00:00Z",
      5,
      "",
    ]) {
      const { body } = await world.post({ query: totals, variables: { from, to: "2026-03-01" } })
      expect(body.errors[0], String(from)).toMatchObject({
        message: expect.stringContaining("ISO 8601"),
        extensions: { code: "BAD_USER_INPUT" },
      })
    }
  })
})

describe("errors and limits", () => {
  it("every error has a code", async () => {
    expect(await world.refusal("{ merchants {")).toBe("GRAPHQL_PARSE_FAILED")
    expect(await world.refusal("{ nothing }")).toBe("GRAPHQL_VALIDATION_FAILED")
    expect(await world.refusal("query ($id: ID!) { merchant(id: $id) { id } }")).toBe("BAD_USER_INPUT")
    expect(await world.refusal("query A { __typename } query B { __typename }")).not.toBe("")
    for (const body of ["{", "[]", "{}", '{"query":5}', "null", '"x"']) {
      const answer = await world.post(body)
      expect(answer.body.errors[0].extensions?.code, body).toEqual(expect.any(String))
    }
  })

  it("a parameter that is not JSON is the asker's mistake", async () => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}` }
    for (const name of ["variables", "extensions"]) {
      const answer = await fetch(`${world.url}?query={__typename}&${name}={bad`, { headers })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: "BAD_REQUEST" } }] })
    }
  })

  it("an unexpected error is masked under a correlation id, and stands in the log with its reason", async () => {
    const logged = vi.spyOn(console, "log").mockImplementation(() => {})
    const { merchants } = world.queries
    const find = merchants.find
    Object.assign(merchants, { find: () => Effect.die(new Error("the secret reason")) })
    const { body } = await world.post({ query: '{ merchant(id: "mine") { id } }' })
    Object.assign(merchants, { find })
    const lines = logged.mock.calls.flat().join("\n")
    logged.mockRestore()
    expect(lines).toContain("the secret reason")
    expect(lines).toContain(body.errors[0].extensions.correlationId)
    expect(JSON.stringify(body)).not.toContain("secret")
    expect(body.errors[0]).toMatchObject({
      message: expect.stringMatching(/[0-9a-f-]{36}/),
      path: ["merchant"],
      extensions: { code: "INTERNAL", correlationId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    })
  })

  it("refuses what is too large, naming the limit", async () => {
    const deep = (levels: number): string => (levels === 0 ? "name" : `ofType { ${deep(levels - 1)} }`)
    const many = (count: number, make: (index: number) => string) =>
      Array.from({ length: count }, (_, i) => make(i)).join(" ")
    const range = '{ from: "2026-01-01", to: "2026-01-02" }'
    const cases: ReadonlyArray<readonly [string, string, number]> = [
      ["QUERY_TOO_DEEP", `{ __type(name: "Query") { fields { type { ${deep(14)} } } } }`, 15],
      ["TOO_MANY_ALIASES", `{ ${many(51, (i) => `a${i}: merchant(id: "mine") { id }`)} }`, 50],
      ["TOO_MANY_DIRECTIVES", `{ merchants { nodes { ${many(51, () => "id @include(if: true)")} } } }`, 50],
      ["TOO_MANY_FIELDS", `{ merchants { nodes { ${many(1_001, () => "id")} } } }`, 1_000],
      ["TOO_MANY_TOKENS", `{ merchants { nodes { ${many(4_001, () => "id")} } } }`, 4_000],
      [
        "QUERY_TOO_COMPLEX",
        `{ merchants(first: 200) { nodes { clients(first: 200) { nodes { clientId state } } totals(range: ${range}) { values { value } } } } }`,
        50_000,
      ],
    ]
    for (const [code, query, limit] of cases) {
      const accept = "application/graphql-response+json"
      const { body, status } = await world.post({ query }, undefined, { accept })
      expect(body.errors?.[0], code).toMatchObject({ extensions: { code, limit } })
      expect(body.errors[0].message).toContain(String(limit))
      expect(status, code).toBe(400)
    }
  })

  it("spreading fragments in fragments hides nothing and costs nothing", async () => {
    const bomb = Array.from(
      { length: 60 },
      (_, i) => `fragment F${i} on Merchant { ...F${i + 1} ...F${i + 1} }`,
    )
    const query = `{ merchants { nodes { ...F0 } } } ${bomb.join(" ")} fragment F60 on Merchant { id }`
    const began = performance.now()
    expect(await world.refusal(query)).toBe("TOO_MANY_FIELDS")
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(await world.refusal("{ merchants { nodes { ...A } } } fragment A on Merchant { ...A }")).toBe(
      "GRAPHQL_VALIDATION_FAILED",
    )
  })

  it("lets introspection and a series of 10,000 points through", async () => {
    expect((await world.ask(getIntrospectionQuery())).__schema.types.length).toBeGreaterThan(20)
    const { merchant } = await world.ask(
      `{ merchant(id: "mine") { series(metric: EVENTS, interval: HOUR, range: { from: "2025-01-01", to: "2026-02-21T16:00:00Z" }) { points { at value complete } } } }`,
    )
    expect(merchant.series.points).toHaveLength(10_000)
  })

  it("takes no batches, no mutation by GET, no packed body", async () => {
    const batch = await world.post([{ query: "{ __typename }" }, { query: "{ __typename }" }])
    expect(batch.status).toBe(400)
    const url = new URL(world.url)
    url.searchParams.set(
      "query",
      'mutation { createMerchant(input: { id: "by-get" }) { userErrors { code } } }',
    )
    const got = await fetch(url, { headers: { authorization: "Bearer admin-key-of-the-tests" } })
    expect(got.status).toBe(405)
    expect(
      (await world.post({ query: "{ __typename }" }, undefined, { "content-encoding": "gzip" })).status,
    ).toBe(415)
  })

  it("a body past 256 KiB is 413, whether its length is told or not", async () => {
    const query = `{ __typename } # ${"x".repeat(256 * 1024)}`
    const told = await world.post({ query })
    expect([told.status, told.body.errors[0].extensions]).toEqual([
      413,
      { code: "BODY_TOO_LARGE", limit: 262_144 },
    ])
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sending = request(
        world.url,
        {
          method: "POST",
          headers: { "content-type": "application/json", authorization: "Bearer admin-key-of-the-tests" },
        },
        (res) => {
          res.resume()
          resolve(res.statusCode)
        },
      )
      sending.on("error", reject)
      sending.write(" ".repeat(200_000))
      sending.end(JSON.stringify({ query }))
    })
    expect(status).toBe(413)
  })

  it("shows GraphiQL to a browser in development", async () => {
    const page = await fetch(world.url, { headers: { accept: "text/html" } })
    expect([page.status, page.headers.get("content-type")]).toEqual([
      200,
      expect.stringContaining("text/html"),
    ])
  })
})
