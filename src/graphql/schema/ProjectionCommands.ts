import { builder } from "../Builder.js"
import { command, ProjectionPayload } from "./Projection.js"

const name = "Its name, such as `metrics`."
const expectedServing =
  "The build that serves, as far as you know; for a merchant's build, the one that serves that merchant. When it is another by now, nothing is changed, and the error names who switched."
const force = "Also when the build has not caught up, has dead letters, or its code is not deployed."
/** They wait for a commit, or for folding to stop. */
const COST = 100

builder.mutationFields((t) => ({
  rebuildProjection: t.field({
    type: ProjectionPayload,
    description:
      "Folds the log anew, from its start, into a build beside the one that serves and keeps up; for administrators.",
    complexity: COST,
    args: {
      name: t.arg.string({ required: true, description: name }),
      merchantId: t.arg.id({
        description:
          "Folds the events of this merchant alone, into a build that is promoted and rolled back for it alone. `CROSSES_MERCHANTS` for a projection whose documents are of several merchants together.",
      }),
    },
    resolve: (_, { name: projection, merchantId }, context) =>
      command(context, {
        ...{ _tag: "Rebuild", projection, promote: false },
        merchantId: merchantId ?? undefined,
      }),
  }),
  cancelRebuild: t.field({
    type: ProjectionPayload,
    description:
      "Ends the rebuild and removes what it has made; for administrators. Removes a failed build as well. Of a merchant's rebuild, while there is none of all, when it is the only one; else dropProjectionBuild ends it.",
    complexity: COST,
    args: { name: t.arg.string({ required: true, description: name }) },
    resolve: (_, { name: projection }, context) => command(context, { _tag: "Cancel", projection }),
  }),
  promoteProjection: t.field({
    type: ProjectionPayload,
    description:
      "Lets a build serve, at one moment for everybody; for administrators. The build has to be READY, or STANDBY and up to date; then this waits up to 10 s until it is level with the serving one, which stands by from then on, kept up to date.",
    complexity: COST,
    args: {
      name: t.arg.string({ required: true, description: name }),
      build: t.arg.id({ required: true, description: "The build that is to serve." }),
      expectedServing: t.arg.id({ required: true, description: expectedServing }),
      force: t.arg.boolean({ description: force }),
    },
    resolve: (_, { name: projection, force: forced, ...builds }, context) =>
      command(context, { _tag: "Promote", projection, ...builds, force: forced ?? false }),
  }),
  rollbackProjection: t.field({
    type: ProjectionPayload,
    description:
      "Lets the build serve again that served before; for administrators. The present one stands by from then on. With a merchant's build as `expectedServing`, that merchant goes back to the build of all.",
    complexity: COST,
    args: {
      name: t.arg.string({ required: true, description: name }),
      expectedServing: t.arg.id({ required: true, description: expectedServing }),
      force: t.arg.boolean({ description: force }),
    },
    resolve: (_, { name: projection, expectedServing: expected, force: forced }, context) =>
      command(context, { _tag: "Rollback", projection, expectedServing: expected, force: forced ?? false }),
  }),
  resetProjection: t.field({
    type: ProjectionPayload,
    description:
      "As rebuildProjection, and the build serves by itself as soon as it is level; for administrators. Until then the present one answers.",
    complexity: COST,
    args: { name: t.arg.string({ required: true, description: name }) },
    resolve: (_, { name: projection }, context) =>
      command(context, { _tag: "Rebuild", projection, promote: true }),
  }),
  dropProjectionBuild: t.field({
    type: ProjectionPayload,
    description: "Removes a build that does not serve; for administrators.",
    complexity: COST,
    args: {
      name: t.arg.string({ required: true, description: name }),
      build: t.arg.id({ required: true, description: "The build." }),
    },
    resolve: (_, { name: projection, build }, context) =>
      command(context, { _tag: "Drop", projection, build }),
  }),
  pauseProjection: t.field({
    type: ProjectionPayload,
    description:
      "Folds nothing more until it is resumed, also over restarts; for administrators. Questions are answered as of then.",
    complexity: COST,
    args: { name: t.arg.string({ required: true, description: name }) },
    resolve: (_, { name: projection }, context) => command(context, { _tag: "Pause", projection }),
  }),
  retryDeadLetters: t.field({
    type: ProjectionPayload,
    description:
      "Folds what waits behind dead letters, in the order of the log, in all builds; for administrators. To be called once what was wrong is put right. `DEAD_LETTERS_REMAIN` when something could not be folded this time either. After 30 s this answers, and the rest goes on.",
    complexity: COST,
    args: { name: t.arg.string({ required: true, description: name }) },
    resolve: (_, { name: projection }, context) => command(context, { _tag: "RetryDeadLetters", projection }),
  }),
  resumeProjection: t.field({
    type: ProjectionPayload,
    description: "Goes on folding where it was paused; for administrators.",
    complexity: COST,
    args: { name: t.arg.string({ required: true, description: name }) },
    resolve: (_, { name: projection }, context) => command(context, { _tag: "Resume", projection }),
  }),
}))
