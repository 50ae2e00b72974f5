import type { Dimension, Interval } from "../../domain/Metrics.js"
import type { Range } from "../../domain/TimeBuckets.js"
import type { Merchant as MerchantData } from "../../queries/MerchantQueries.js"
import { DEFAULT_ROWS } from "../../queries/MetricQueries.js"
import { MAX_POINTS } from "../../queries/TimeRange.js"
import { builder } from "../Builder.js"
import { scopeOf } from "../Context.js"
import { run } from "../Errors.js"
import { TimeRange } from "./AsOf.js"
import { Breakdown } from "./Breakdown.js"
import { Client, ClientConnection } from "./Client.js"
import { afterDescription, connectionOf, firstDescription, pageCost } from "./Connection.js"
import { ClientStateEnum, DimensionEnum, IntervalEnum, MetricEnum, SilentAfterEnum } from "./Enums.js"
import { Filter, filterDescription } from "./Filter.js"
import { IdleGroup } from "./IdleGroup.js"
import { Series } from "./Series.js"
import { Totals } from "./Totals.js"

export const rangeDescription = "What time is asked about, by the events' own timestamps."
const currencyDescription = "Money in this currency only; the merchant's when missing."
const atLeastDescription =
  "Waits up to 10 s until the answer includes this position, such as the one that a 202 gave; `NOT_YET` after that."

const asOfDescription =
  "Answers as it stood at this position, such as one that an answer gave: what was recorded later is left out, and ranges are cut by the settings of then. Reads the events of the range; `TOO_COSTLY` past 1,500,000 of them."

const lengths: Record<Interval, number> = {
  MINUTE: 60_000,
  TEN_MINUTES: 600_000,
  HOUR: 3_600_000,
  DAY: 86_400_000,
  WEEK: 604_800_000,
  MONTH: 28 * 86_400_000,
}

/** How many points a series may have; what is refused for its length costs nothing. */
export const pointsIn = (range: Range, interval: Interval): number => {
  const points = Math.ceil((range.to - range.from) / lengths[interval]) + 1
  return points > 0 && points <= MAX_POINTS ? points : 1
}

/** Each point costs its three fields, and finding it. */
export const POINT_COST = 4
const READ_COST = 10
/** Of a question that reads the events themselves: as many of one operation as may hold up others for a while. */
const FACTS_COST = 1_000

interface Costing {
  readonly filter?: { readonly all: ReadonlyArray<unknown> } | null | undefined
  readonly asOfPosition?: unknown
  readonly by?: Dimension
}

const readCost = ({ filter, asOfPosition, by }: Costing): number =>
  (filter?.all.length ?? 0) > 0 || (asOfPosition ?? null) !== null || by === "PROPERTY"
    ? FACTS_COST
    : READ_COST

export const Merchant = builder.objectRef<MerchantData>("Merchant").implement({
  description: "A merchant: its settings, its numbers and its clients.",
  fields: (t) => ({
    id: t.exposeID("id", { description: "The id that events name it by." }),
    name: t.string({
      nullable: true,
      description: "Its name for people.",
      resolve: ({ settings }) => settings.name ?? null,
    }),
    timezone: t.string({
      description: "The IANA time zone in which its buckets are cut.",
      resolve: ({ settings }) => settings.timezone,
    }),
    currency: t.field({
      type: "Currency",
      description: "The currency of amounts that name none, and of answers.",
      resolve: ({ settings }) => settings.currency,
    }),
    grade: t.string({
      nullable: true,
      description: "Its grade.",
      resolve: ({ settings }) => settings.grade ?? null,
    }),
    location: t.string({
      nullable: true,
      description: "Where it is.",
      resolve: ({ settings }) => settings.location ?? null,
    }),
    businessType: t.string({
      nullable: true,
      description: "What it does.",
      resolve: ({ settings }) => settings.businessType ?? null,
    }),
    idleAfterSeconds: t.int({
      nullable: true,
      description: "Silence in seconds after which its clients are idle; null when the system's holds.",
      resolve: ({ settings }) => settings.idleAfterSeconds ?? null,
    }),
    idleGroups: t.field({
      type: [IdleGroup],
      description:
        "Idle times of some of its clients: the first group that a client is in counts, and comes before `idleAfterSeconds`.",
      resolve: ({ settings }) => [...(settings.idleGroups ?? [])],
    }),
    silentAfterSeconds: t.int({
      nullable: true,
      description: "Silence in seconds after which it is reported itself; null when none is set.",
      resolve: ({ settings }) => settings.silentAfterSeconds || null,
    }),
    silentAfter: t.field({
      type: SilentAfterEnum,
      description: "Whether `silentAfterSeconds` decides that it is silent, or what is usual for it.",
      resolve: ({ settings }) => settings.silentAfter ?? "SECONDS",
    }),
    silent: t.exposeBoolean("silent", {
      description: "It was reported silent, and has sent nothing since.",
    }),
    lastEventAt: t.expose("lastEventAt", {
      type: "DateTime",
      nullable: true,
      description: "Its latest activity; null before the first event.",
    }),
    totals: t.field({
      type: Totals,
      description: "Every metric over a range, widened to whole hours: one cut at hours is exact.",
      complexity: (args) => readCost(args),
      args: {
        range: t.arg({ type: TimeRange, required: true, description: rangeDescription }),
        currency: t.arg({ type: "Currency", description: currencyDescription }),
        filter: t.arg({ type: Filter, description: filterDescription }),
        atLeast: t.arg({ type: "Position", description: atLeastDescription }),
        asOfPosition: t.arg({ type: "Position", description: asOfDescription }),
      },
      resolve: (merchant, args, { services }) => run(services.queries.totals(merchant, args)),
    }),
    series: t.field({
      type: Series,
      description:
        "One metric over time, empty buckets included. Without a filter the cost follows the range, not the events.",
      complexity: ({ range, interval, ...args }) => readCost(args) + POINT_COST * pointsIn(range, interval),
      args: {
        metric: t.arg({ type: MetricEnum, required: true, description: "What to count." }),
        range: t.arg({ type: TimeRange, required: true, description: rangeDescription }),
        interval: t.arg({ type: IntervalEnum, required: true, description: "Length of a bucket." }),
        currency: t.arg({ type: "Currency", description: currencyDescription }),
        filter: t.arg({ type: Filter, description: filterDescription }),
        atLeast: t.arg({ type: "Position", description: atLeastDescription }),
        asOfPosition: t.arg({ type: "Position", description: asOfDescription }),
      },
      resolve: (merchant, args, { services }) => run(services.queries.series(merchant, args)),
    }),
    breakdown: t.field({
      type: Breakdown,
      description: "One metric by the values of a dimension, greatest first.",
      complexity: ({ first, ...args }) => readCost(args) + 2 * Math.max(0, first ?? DEFAULT_ROWS),
      args: {
        metric: t.arg({ type: MetricEnum, required: true, description: "What to count." }),
        by: t.arg({ type: DimensionEnum, required: true, description: "What to break it down by." }),
        property: t.arg.string({ description: "Name of the custom property, for PROPERTY alone." }),
        range: t.arg({ type: TimeRange, required: true, description: rangeDescription }),
        first: t.arg.int({ defaultValue: DEFAULT_ROWS, description: "How many rows: 0 to 1,000." }),
        currency: t.arg({ type: "Currency", description: currencyDescription }),
        filter: t.arg({ type: Filter, description: filterDescription }),
        atLeast: t.arg({ type: "Position", description: atLeastDescription }),
        asOfPosition: t.arg({ type: "Position", description: asOfDescription }),
      },
      resolve: (merchant, args, { services }) => run(services.queries.breakdown(merchant, args)),
    }),
    client: t.field({
      type: Client,
      nullable: true,
      description: "One client of this merchant; null when it was never seen.",
      complexity: READ_COST,
      args: { clientId: t.arg.id({ required: true, description: "The id it was sent under." }) },
      resolve: (merchant, { clientId }, { services, principal }) =>
        run(services.queries.clients.find(scopeOf(principal), merchant, clientId)),
    }),
    clients: t.field({
      type: ClientConnection,
      description: "Its clients, in an order that says nothing.",
      complexity: pageCost,
      args: {
        state: t.arg({ type: ClientStateEnum, description: "Only those in this state." }),
        first: t.arg.int({ description: firstDescription }),
        after: t.arg.string({ description: afterDescription }),
      },
      resolve: (merchant, { state, ...page }, { services }) =>
        run(services.queries.clients.list(merchant, state, page)),
    }),
  }),
})

export const MerchantConnection = connectionOf("Merchant", Merchant)
