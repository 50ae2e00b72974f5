import { builder } from "../Builder.js"
import { requireAdministrator, run } from "../Errors.js"
import { whileAllowed } from "../whileAllowed.js"
import { ProjectionBuild } from "./Projection.js"

builder.subscriptionField("projectionProgress", (t) =>
  t.field({
    type: ProjectionBuild,
    description:
      "How far the build is that is being built, or else the one that serves; for administrators. The first message at once, then whenever it moves, at most four a second.",
    args: {
      name: t.arg.string({ required: true, description: "The projection's name, such as `metrics`." }),
    },
    subscribe: async (_, { name }, context) => {
      requireAdministrator(context)
      return whileAllowed(await run(context.services.queries.projections.watch(name)), context)
    },
    resolve: (build) => build,
  }),
)
