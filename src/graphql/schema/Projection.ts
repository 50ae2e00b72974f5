import type { ProjectionBuild as BuildData, ProjectionInfo } from "../../queries/ProjectionQueries.js"
import { builder } from "../Builder.js"
import { BuildStateEnum } from "./Enums.js"

export const ProjectionBuild = builder.objectRef<BuildData>("ProjectionBuild").implement({
  description: "One build of a projection: the read models that one version of its code has folded.",
  fields: (t) => ({
    id: t.exposeID("id", { description: "Shown in `asOf.build` of the answers that come from it." }),
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
  }),
})

export const Projection = builder.objectRef<ProjectionInfo>("Projection").implement({
  description: "A fold of the event log into read models.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "Its name, such as `metrics`." }),
    serving: t.expose("serving", { type: ProjectionBuild, description: "The build that answers queries." }),
    builds: t.expose("builds", { type: [ProjectionBuild], description: "Every build that is kept." }),
  }),
})
