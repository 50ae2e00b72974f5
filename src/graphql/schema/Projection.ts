import type { Command } from "../../processors/Commands.js"
import type { ProjectionBuild as BuildData, ProjectionInfo } from "../../queries/ProjectionQueries.js"
import type { Act as ActData } from "../../readmodels/ReadModels.js"
import { builder } from "../Builder.js"
import type { Context } from "../Context.js"
import { requireAdministrator, run } from "../Errors.js"
import { afterDescription, firstDescription, pageCost } from "./Connection.js"
import { DeadLetterConnection } from "./DeadLetter.js"
import { BuildStateEnum } from "./Enums.js"
import { UserError, type UserErrorData, userError } from "./UserError.js"

const Act = builder.objectRef<ActData>("Act").implement({
  description: "What somebody did to a projection, or what happened to it by itself.",
  fields: (t) => ({
    by: t.exposeString("by", {
      description: "The id of the key that it was done with; `tidemark` for itself.",
    }),
    at: t.expose("at", { type: "DateTime", description: "When." }),
    what: t.exposeString("what", { description: "Such as `promoted metrics-2`." }),
  }),
})

export const ProjectionBuild = builder.objectRef<BuildData>("ProjectionBuild").implement({
  description: "One build of a projection: the read models that one version of its code has folded.",
  fields: (t) => ({
    id: t.exposeID("id", { description: "Shown in `asOf.build` of the answers that come from it." }),
    merchantId: t.exposeID("merchantId", {
      nullable: true,
      description:
        "The merchant whose events alone it folds; null for a build of all. `SERVING`, it answers what is asked about this merchant, and `serving` everything else.",
    }),
    definition: t.exposeString("definition", {
      description: "Name and version of the code, such as `metrics@1`.",
    }),
    state: t.expose("state", { type: BuildStateEnum, description: "What the build is there for." }),
    position: t.expose("position", { type: "Position", description: "Every event up to here is folded." }),
    head: t.expose("head", { type: "Position", description: "The end of the log." }),
    lagMs: t.exposeFloat("lagMs", {
      description: "Age in milliseconds of the oldest event that is not folded yet; 0 when all are.",
    }),
    eventsPerSecond: t.exposeFloat("eventsPerSecond", { description: "How fast it folds now." }),
    progress: t.exposeFloat("progress", { description: "How much of the log it has folded, 0 to 1." }),
    etaSeconds: t.exposeFloat("etaSeconds", {
      nullable: true,
      description:
        "When it will be level with the log, at this speed; 0 when it is, null when it stands still.",
    }),
    isDeployed: t.exposeBoolean("isDeployed", {
      description: "Whether the program has the code that folds it. Without it the build stays as it is.",
    }),
    isCodeChanged: t.exposeBoolean("isCodeChanged", {
      description:
        "Whether the code was changed under its version since the build was made: a rebuild may give other numbers.",
    }),
    made: t.expose("made", { type: Act, nullable: true, description: "Who had it built." }),
    promoted: t.expose("promoted", { type: Act, nullable: true, description: "Who let it serve, last." }),
    replaced: t.expose("replaced", {
      type: Act,
      nullable: true,
      description: "Since when it stands by. It is dropped when it has done so for `TIDEMARK_STANDBY_FOR`.",
    }),
    deadLetters: t.int({
      description: "How many merchants wait behind an event that it could not fold.",
      resolve: ({ deadLetters }) => deadLetters.merchants,
    }),
    failure: t.exposeString("failure", {
      nullable: true,
      description: "Why it has failed, or stands still.",
    }),
  }),
})

export const Projection = builder.objectRef<ProjectionInfo>("Projection").implement({
  description: "A fold of the event log into read models.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "Its name, such as `metrics`." }),
    serving: t.expose("serving", { type: ProjectionBuild, description: "The build that answers queries." }),
    building: t.expose("building", {
      type: ProjectionBuild,
      nullable: true,
      description: "The build that catches up beside it: one of all merchants, or else the newest of one.",
    }),
    builds: t.expose("builds", { type: [ProjectionBuild], description: "Every build that is kept." }),
    paused: t.boolean({
      description: "Whether nothing is folded until it is resumed. It stays so over restarts.",
      resolve: ({ paused }) => paused !== undefined,
    }),
    pausedBy: t.field({
      type: Act,
      nullable: true,
      description: "Who paused it.",
      resolve: ({ paused }) => paused,
    }),
    lastCommand: t.expose("lastCommand", {
      type: Act,
      nullable: true,
      description: "The last command that changed something.",
    }),
    deadLetters: t.field({
      type: DeadLetterConnection,
      description:
        "Events that its builds could not fold, one for each merchant that waits, in the order of the log.",
      complexity: pageCost,
      args: {
        first: t.arg.int({ description: firstDescription }),
        after: t.arg.string({ description: afterDescription }),
      },
      resolve: ({ name }, args, { services }) => run(services.queries.deadLetters(name, args)),
    }),
  }),
})

interface ProjectionPayloadData {
  readonly projection: ProjectionInfo | undefined
  readonly userErrors: ReadonlyArray<UserErrorData>
}

export const ProjectionPayload = builder.objectRef<ProjectionPayloadData>("ProjectionPayload").implement({
  description: "The projection after the command, and why that was not carried out.",
  fields: (t) => ({
    projection: t.expose("projection", {
      type: Projection,
      nullable: true,
      description: "The projection as it is now; null when there is none of this name.",
    }),
    userErrors: t.expose("userErrors", {
      type: [UserError],
      description:
        "Why the command was not carried out. `CONFLICT` when somebody else was faster: the message names who, and what they did.",
    }),
  }),
})

/** Carries out a command for administrators. */
export const command = async (context: Context, it: Command): Promise<ProjectionPayloadData> => {
  requireAdministrator(context)
  const { services, principal } = context
  const commanded = await run(services.queries.projections.command(it, principal.keyId))
  const { projection } = commanded
  if (commanded._tag === "Done") return { projection, userErrors: [] }
  const { code, message } = commanded.refusal
  return { projection, userErrors: [userError(code, message)] }
}
