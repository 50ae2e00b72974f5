import { readFileSync } from "node:fs"
import {
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  parse,
  printSchema,
  validate,
} from "graphql"
import { describe, expect, it } from "vitest"
import { schema } from "../../src/graphql/Schema.js"

describe("the schema", () => {
  it("has a description on every type, field, argument and enum value", () => {
    const missing: Array<string> = []
    const check = (name: string, description: string | null | undefined): void => {
      if ((description ?? "").length < 5) missing.push(name)
    }
    for (const type of Object.values(schema.getTypeMap())) {
      if (type.name.startsWith("__")) continue
      check(type.name, type.description)
      if (isEnumType(type)) {
        for (const value of type.getValues()) check(`${type.name}.${value.name}`, value.description)
      }
      if (isObjectType(type) || isInterfaceType(type) || isInputObjectType(type)) {
        for (const field of Object.values(type.getFields())) {
          check(`${type.name}.${field.name}`, field.description)
          if (!("args" in field)) continue
          for (const arg of field.args) check(`${type.name}.${field.name}(${arg.name})`, arg.description)
        }
      }
    }
    expect(missing).toEqual([])
  })

  it("is the one in docs/schema.graphql (`node scripts/print-schema.mjs` after a build)", () => {
    const kept = readFileSync(new URL("../../docs/schema.graphql", import.meta.url), "utf8")
    expect(`${printSchema(schema)}\n`).toBe(kept)
  })

  it("answers every example in docs/graphql.md", () => {
    const page = readFileSync(new URL("../../docs/graphql.md", import.meta.url), "utf8")
    const examples = [...page.matchAll(/```graphql\n(.*?)```/gs)].map(([, text]) => text ?? "")
    expect(examples.length).toBeGreaterThan(4)
    for (const example of examples) expect(validate(schema, parse(example)), example).toEqual([])
  })

  it("has the names, arguments and nullability that are fixed", () => {
    const signature = (typeName: string, fieldName: string): string => {
      const type = schema.getType(typeName)
      if (!isObjectType(type) && !isInputObjectType(type)) return "no such type"
      const field = type.getFields()[fieldName]
      if (field === undefined) return "no such field"
      const args = "args" in field ? field.args.map((arg) => `${arg.name}: ${arg.type}`).join(", ") : ""
      return `${fieldName}${args === "" ? "" : `(${args})`}: ${field.type}`
    }
    const fixed: Record<string, ReadonlyArray<string>> = {
      Query: [
        "merchant(id: ID!): Merchant",
        "merchants(first: Int, after: String): MerchantConnection!",
        "client(merchantId: ID, clientId: ID!): Client",
        "clients(state: ClientState, first: Int, after: String): ClientConnection!",
        "overview(range: TimeRange!, interval: Interval!): Overview!",
        "events(merchantId: ID, clientId: ID, type: String, range: TimeRange!, filter: Filter, first: Int, after: String): EventConnection!",
        "projections: [Projection!]!",
        "projection(name: String!): Projection",
      ],
      Merchant: [
        ...["id: ID!", "name: String", "timezone: String!", "currency: Currency!", "lastEventAt: DateTime"],
        "silent: Boolean!",
        "totals(range: TimeRange!, currency: Currency, filter: Filter, atLeast: Position, asOfPosition: Position): Totals!",
        "series(metric: Metric!, range: TimeRange!, interval: Interval!, currency: Currency, filter: Filter, atLeast: Position, asOfPosition: Position): Series!",
        "breakdown(metric: Metric!, by: Dimension!, property: String, range: TimeRange!, first: Int, currency: Currency, filter: Filter, atLeast: Position, asOfPosition: Position): Breakdown!",
        "client(clientId: ID!): Client",
        "clients(state: ClientState, first: Int, after: String): ClientConnection!",
      ],
      Totals: ["values: [MetricValue!]!", "range: EffectiveRange!", "asOf: AsOf!"],
      MetricValue: ["metric: Metric!", "value: Float"],
      Series: ["points: [Point!]!", "range: EffectiveRange!", "asOf: AsOf!"],
      Point: ["at: DateTime!", "value: Float", "complete: Boolean!"],
      Breakdown: ["rows: [BreakdownRow!]!", "range: EffectiveRange!", "asOf: AsOf!"],
      BreakdownRow: ["key: String!", "value: Float"],
      EffectiveRange: ["from: DateTime!", "to: DateTime!"],
      AsOf: [
        "position: Position!",
        "recordedAt: DateTime",
        "lagMs: Float!",
        "build: ID!",
        "stalledAt: Position",
      ],
      Client: [
        ...["clientId: ID!", "merchantId: ID", "state: ClientState!", "firstSeenAt: DateTime!"],
        ...["lastSeenAt: DateTime!", "ip: String", "requests: Float!"],
        "idlePeriods(first: Int, after: String): IdlePeriodConnection!",
      ],
      IdlePeriod: [
        ...["lastActivityAt: DateTime!", "idleSince: DateTime!", "reportedAt: DateTime!"],
        ...["returnedAt: DateTime", "historical: Boolean!"],
      ],
      ClientIdle: [
        ...["merchantId: ID", "clientId: ID!", "ip: String", "lastActivityAt: DateTime!"],
        ...["idleSince: DateTime!", "reportedAt: DateTime!"],
      ],
      Overview: [
        ...["merchants: Float!", "activeMerchants: Float!", "activeClients: Float!"],
        ...["series: [OverviewSeries!]!", "volumes: [Money!]!", "asOf: AsOf!"],
      ],
      OverviewSeries: ["metric: Metric!", "points: [Point!]!"],
      Money: ["currency: Currency!", "amount: Float!"],
      Filter: ["all: [FilterTerm!]!"],
      FilterTerm: ["dimension: Dimension!", "property: String", "in: [String!]", "notIn: [String!]"],
      LiveMetrics: [
        ...["merchantId: ID!", "at: DateTime!", "position: Position!", "activeClients: Int!"],
        ...["lastMinutes: [Point!]!", "today: [MetricValue!]!", "latest: [Event!]!"],
      ],
      Event: [
        ...[
          "id: ID!",
          "type: String!",
          "merchantId: ID",
          "clientId: ID",
          "at: DateTime!",
          "recordedAt: DateTime!",
        ],
        ...["position: Position!", "path: String", "referrer: String", "country: String", "device: String"],
        ...["browser: String", "os: String", "amount: Float", "currency: Currency", "paymentMethod: String"],
        "properties: JSON",
      ],
      Projection: [
        ...["name: String!", "serving: ProjectionBuild!", "building: ProjectionBuild"],
        ...["builds: [ProjectionBuild!]!", "paused: Boolean!"],
        "deadLetters(first: Int, after: String): DeadLetterConnection!",
      ],
      ProjectionComparison: [
        ...["equal: Boolean!", "position: Position!"],
        "differences(first: Int, after: String): DifferenceConnection!",
      ],
      Difference: ["merchantId: ID", "key: String!", "before: Float", "after: Float"],
      ProjectionPayload: ["projection: Projection", "userErrors: [UserError!]!"],
      ProjectionBuild: [
        ...["id: ID!", "definition: String!", "state: BuildState!", "position: Position!", "head: Position!"],
        ...["lagMs: Float!", "eventsPerSecond: Float!", "progress: Float!", "etaSeconds: Float"],
      ],
      MerchantPayload: ["merchant: Merchant", "userErrors: [UserError!]!"],
      UserError: ["code: String!", "message: String!", "path: [String!]"],
      Mutation: [
        "createMerchant(input: CreateMerchantInput!): MerchantPayload!",
        "updateMerchant(input: UpdateMerchantInput!): MerchantPayload!",
        "rebuildProjection(name: String!, merchantId: ID): ProjectionPayload!",
        "cancelRebuild(name: String!): ProjectionPayload!",
        "promoteProjection(name: String!, build: ID!, expectedServing: ID!, force: Boolean): ProjectionPayload!",
        "rollbackProjection(name: String!, expectedServing: ID!, force: Boolean): ProjectionPayload!",
        "resetProjection(name: String!): ProjectionPayload!",
        "dropProjectionBuild(name: String!, build: ID!): ProjectionPayload!",
        "pauseProjection(name: String!): ProjectionPayload!",
        "resumeProjection(name: String!): ProjectionPayload!",
        "retryDeadLetters(name: String!): ProjectionPayload!",
      ],
      Subscription: [
        "liveMetrics(merchantId: ID!, after: Position): LiveMetrics!",
        "clientIdle(merchantId: ID): ClientIdle!",
        "projectionProgress(name: String!): ProjectionBuild!",
      ],
      TimeRange: ["from: DateTime!", "to: DateTime!"],
      CreateMerchantInput: [
        ...["id: ID!", "name: String", "timezone: String", "currency: Currency", "grade: String"],
        ...["location: String", "businessType: String", "idleAfterSeconds: Int"],
      ],
    }
    for (const [type, fields] of Object.entries(fixed)) {
      for (const field of fields) expect(signature(type, /^\w+/.exec(field)?.[0] ?? "")).toBe(field)
    }
    const valuesOf = (name: string): string => {
      const type = schema.getType(name)
      return isEnumType(type)
        ? type
            .getValues()
            .map((value) => value.name)
            .join(" ")
        : "no such enum"
    }
    expect(valuesOf("Metric")).toBe(
      "EVENTS PAGEVIEWS VISITORS SESSIONS BOUNCE_RATE SESSION_SECONDS PAYMENTS GROSS_VOLUME REFUNDS REFUND_VOLUME NET_VOLUME AVERAGE_ORDER_VALUE POINTS_USED POINTS_EARNED",
    )
    expect(valuesOf("Dimension")).toBe(
      "TYPE PATH REFERRER COUNTRY DEVICE BROWSER OS PAYMENT_METHOD CURRENCY USER_GRADE GENDER AGE_BAND PROPERTY",
    )
    expect(getNamedType(schema.getQueryType()?.getFields().merchant?.type)?.toString()).toBe("Merchant")
  })
})
