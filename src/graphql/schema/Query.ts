import * as Effect from "effect/Effect"
import { DEFAULT_FIRST, MAX_FIRST } from "../../queries/Page.js"
import { refused } from "../../queries/QueryError.js"
import { builder, perItem } from "../Builder.js"
import { scopeOf } from "../Context.js"
import { requireAdministrator, run } from "../Errors.js"
import { TimeRange } from "./AsOf.js"
import { Client, ClientConnection } from "./Client.js"
import { afterDescription, firstDescription, pageCost } from "./Connection.js"
import { ClientStateEnum, IntervalEnum } from "./Enums.js"
import { EventConnection } from "./Event.js"
import { Filter } from "./Filter.js"
import { Merchant, MerchantConnection, POINT_COST, pointsIn, rangeDescription } from "./Merchant.js"
import { Overview } from "./Overview.js"
import { Projection } from "./Projection.js"
import { QuarantinePage } from "./Quarantine.js"

const QUARANTINE_FIRST = 20
/** A page looks through many events. */
const EVENTS_COST = 200
/** It reads all 256 partitions. */
const OVERVIEW_COST = 256

builder.queryType({
  description: "What can be asked. What belongs to another merchant looks like what does not exist.",
  fields: (t) => ({
    merchant: t.field({
      type: Merchant,
      nullable: true,
      description: "One merchant; null when there is none with this id.",
      complexity: 5,
      args: { id: t.arg.id({ required: true, description: "The merchant's id." }) },
      resolve: (_, { id }, { services, principal }) =>
        run(services.queries.merchants.find(scopeOf(principal), id)),
    }),
    merchants: t.field({
      type: MerchantConnection,
      description: "Merchants in order of their ids. With a merchant's key: itself.",
      complexity: pageCost,
      args: {
        first: t.arg.int({ description: firstDescription }),
        after: t.arg.string({ description: afterDescription }),
      },
      resolve: (_, args, { services, principal }) =>
        run(services.queries.merchants.list(scopeOf(principal), args)),
    }),
    client: t.field({
      type: Client,
      nullable: true,
      description: "One client; null when it was never seen.",
      complexity: 10,
      args: {
        merchantId: t.arg.id({
          description: "Its merchant; without it, a client of requests that name no merchant.",
        }),
        clientId: t.arg.id({ required: true, description: "The id it was sent under." }),
      },
      resolve: (_, { merchantId, clientId }, { services, principal }) => {
        const { merchants, clients } = services.queries
        const scope = scopeOf(principal)
        return run(
          merchantId === undefined || merchantId === null
            ? clients.find(scope, undefined, clientId)
            : Effect.flatMap(merchants.find(scope, merchantId), (merchant) =>
                merchant === undefined ? Effect.succeed(undefined) : clients.find(scope, merchant, clientId),
              ),
        )
      },
    }),
    clients: t.field({
      type: ClientConnection,
      description:
        "Clients of all merchants, and of requests that name none, for administrators; by merchant, and within one in an order that says nothing.",
      complexity: pageCost,
      args: {
        state: t.arg({
          type: ClientStateEnum,
          description: "Only those in this state.",
        }),
        first: t.arg.int({ description: firstDescription }),
        after: t.arg.string({ description: afterDescription }),
      },
      resolve: (_, { state, ...page }, context) => {
        requireAdministrator(context)
        return run(context.services.queries.clients.listAll(state, page))
      },
    }),
    events: t.field({
      type: EventConnection,
      description:
        "Events, newest first by their own timestamps; requests, by when they were recorded. A page may be short, or empty, and still have a next one.",
      complexity: ({ first }) => {
        const page = perItem(first ?? DEFAULT_FIRST)
        return { ...page, field: EVENTS_COST }
      },
      args: {
        merchantId: t.arg.id({
          description:
            "The merchant; with a merchant's key itself when missing. An administrator who leaves it out gives `clientId`, and sees the client's requests that name no merchant.",
        }),
        clientId: t.arg.id({ description: "Only those of this client." }),
        type: t.arg.string({
          description:
            "Only those of this type; every type but `request` when missing. `request` needs `clientId`.",
        }),
        range: t.arg({
          type: TimeRange,
          required: true,
          description: "Only those with timestamps in this range, which is not widened.",
        }),
        filter: t.arg({ type: Filter, description: "Only those that meet this filter." }),
        first: t.arg.int({ description: firstDescription }),
        after: t.arg.string({ description: afterDescription }),
      },
      resolve: (_, args, { services, principal }) =>
        run(services.queries.events.list(scopeOf(principal), args)),
    }),
    overview: t.field({
      type: Overview,
      description:
        "All merchants together, for administrators. The range is cut by UTC: `series` widen it to whole buckets of the interval, everything else to whole hours.",
      // The metrics of a bucket come out of the same documents, so as many points fit as in one series.
      complexity: ({ range, interval }) => OVERVIEW_COST + POINT_COST * pointsIn(range, interval),
      args: {
        range: t.arg({ type: TimeRange, required: true, description: rangeDescription }),
        interval: t.arg({
          type: IntervalEnum,
          required: true,
          description: "Length of a bucket of the series.",
        }),
      },
      resolve: (_, { range, interval }, context) => {
        requireAdministrator(context)
        return run(context.services.queries.overview(range, interval))
      },
    }),
    projections: t.field({
      type: [Projection],
      description: "The projections that run, for administrators.",
      complexity: { field: 10, multiplier: 5 },
      resolve: async (_, _args, context) => {
        requireAdministrator(context)
        return [...(await run(context.services.queries.projections.list))]
      },
    }),
    projection: t.field({
      type: Projection,
      nullable: true,
      description: "One projection, for administrators; null when there is none of this name.",
      complexity: 10,
      args: { name: t.arg.string({ required: true, description: "Its name, such as `metrics`." }) },
      resolve: (_, { name }, context) => {
        requireAdministrator(context)
        return run(context.services.queries.projections.find(name))
      },
    }),
    quarantine: t.field({
      type: QuarantinePage,
      description: "What was sent and refused, newest first, for administrators.",
      complexity: ({ first }) => ({ field: 10, multiplier: Math.max(1, first ?? QUARANTINE_FIRST) }),
      args: {
        merchantId: t.arg.id({ description: "Only of this merchant." }),
        first: t.arg.int({ description: `How many: 1 to ${MAX_FIRST}; ${QUARANTINE_FIRST} when missing.` }),
        after: t.arg.string({ description: "`next` of the page before." }),
      },
      resolve: (_, { merchantId, first, after }, context) => {
        requireAdministrator(context)
        const size = first ?? QUARANTINE_FIRST
        if (!(size >= 1 && size <= MAX_FIRST)) {
          return run(
            refused("INVALID_FIRST", `first must be a whole number from 1 to ${MAX_FIRST}, not ${size}`, {
              limit: MAX_FIRST,
            }),
          )
        }
        return run(
          context.services.quarantine.list({
            first: size,
            ...(merchantId === undefined || merchantId === null ? {} : { merchantId }),
            ...(after === undefined || after === null ? {} : { after }),
          }),
        )
      },
    }),
  }),
})
