import type { Comparison } from "../../queries/compare/Comparisons.js"
import type { Difference as DifferenceData } from "../../queries/compare/Difference.js"
import { builder } from "../Builder.js"
import { requireAdministrator, run } from "../Errors.js"
import { afterDescription, connectionOf, firstDescription, pageCost } from "./Connection.js"
import { DimensionEnum, IntervalEnum, MetricEnum } from "./Enums.js"

const Difference = builder.objectRef<DifferenceData>("Difference").implement({
  description: "A number that is not the same in both builds.",
  fields: (t) => ({
    merchantId: t.exposeID("merchantId", { nullable: true, description: "Whose number it is." }),
    key: t.exposeString("key", {
      description: "Where it stands, such as `DAY 2026-11-20T00:00:00.000Z PAYMENTS TYPE=refund`.",
    }),
    before: t.exposeFloat("before", {
      nullable: true,
      description: "In the build `from`; null where it has none.",
    }),
    after: t.exposeFloat("after", {
      nullable: true,
      description: "In the build `to`; null where it has none.",
    }),
    metric: t.field({
      type: MetricEnum,
      nullable: true,
      description: "Of buckets: what is counted.",
      resolve: ({ bucket }) => bucket?.metric,
    }),
    interval: t.field({
      type: IntervalEnum,
      nullable: true,
      description: "Of buckets: DAY or HOUR, in the merchant's time zone.",
      resolve: ({ bucket }) => bucket?.interval,
    }),
    at: t.field({
      type: "DateTime",
      nullable: true,
      description: "Of buckets: the first instant.",
      resolve: ({ bucket }) => bucket?.at,
    }),
    currency: t.field({
      type: "Currency",
      nullable: true,
      description: "Of sums of money.",
      resolve: ({ bucket }) => bucket?.currency,
    }),
    dimension: t.field({
      type: DimensionEnum,
      nullable: true,
      description: "Of buckets of one value of a dimension.",
      resolve: ({ bucket }) => bucket?.dimension,
    }),
    value: t.field({
      type: "String",
      nullable: true,
      description: "That value.",
      resolve: ({ bucket }) => bucket?.value,
    }),
  }),
})

const DifferenceConnection = connectionOf("Difference", Difference)

const ProjectionComparison = builder.objectRef<Comparison>("ProjectionComparison").implement({
  description: "What two builds that hold the same events differ in.",
  fields: (t) => ({
    equal: t.exposeBoolean("equal", {
      description:
        "Whether no number differs. Between two definitions of `metrics` the numbers compared are those of each merchant by day and hour, and of each value by day: with `differentDocuments` above 0 beside it, something else may differ, as what only filters, minutes or the overview are made of.",
    }),
    position: t.expose("position", {
      type: "Position",
      description: "Both hold the events up to here. Give it as `position` to page through what was found.",
    }),
    from: t.id({ description: "The build that `before` is of.", resolve: ({ from }) => from.id }),
    to: t.id({ description: "The build that `after` is of.", resolve: ({ to }) => to.id }),
    fromDigest: t.exposeString("before", {
      description: "SHA-256 of all documents of `from`, in order. Equal digests: equal documents.",
    }),
    toDigest: t.exposeString("after", { description: "The same of `to`." }),
    documents: t.exposeFloat("documents", { description: "Documents that were compared." }),
    differentDocuments: t.exposeFloat("differentDocuments", { description: "How many of them differ." }),
    differenceCount: t.exposeFloat("differenceCount", {
      description: "How many numbers differ. The largest 10,000 differences can be paged through.",
    }),
    merchantCount: t.exposeFloat("merchantCount", {
      description: "How many merchants these numbers are of.",
    }),
    differences: t.field({
      type: DifferenceConnection,
      description: "What differs, largest first.",
      complexity: pageCost,
      args: {
        first: t.arg.int({ description: firstDescription }),
        after: t.arg.string({ description: afterDescription }),
      },
      resolve: (comparison, args, { services }) => run(services.queries.comparisons.page(comparison, args)),
    }),
  }),
})

/** It reads everything that two builds have. */
const COST = 1_000

builder.queryField("projectionComparison", (t) =>
  t.field({
    type: ProjectionComparison,
    description:
      "Brings two builds to one position and compares all that they hold; for administrators. It takes as long as reading both. Merchants and their days and hours are named, as well as each value of each dimension by day.",
    complexity: { field: COST, multiplier: 1 },
    args: {
      name: t.arg.string({ required: true, description: "The projection, such as `metrics`." }),
      from: t.arg.id({
        description:
          "A build; when missing the one that serves, or, while none is being built, the one that served before.",
      }),
      to: t.arg.id({
        description:
          "A build; when missing the one that is being built, or, while none is, the one that serves.",
      }),
      position: t.arg({
        type: "Position",
        description: "Of a comparison that was made: answers with that, so that `differences` can be paged.",
      }),
    },
    resolve: (_, { name, ...asked }, context) => {
      requireAdministrator(context)
      return run(context.services.queries.comparisons.compare(name, asked))
    },
  }),
)
