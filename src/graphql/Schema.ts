import "./schema/Scalars.js"
import "./schema/Query.js"
import "./schema/Mutation.js"
import "./schema/System.js"
import "./schema/ProjectionCommands.js"
import "./schema/ProjectionComparison.js"
import "./schema/LiveMetrics.js"
import "./schema/ProjectionProgress.js"
import "./schema/ClientIdle.js"
import { builder } from "./Builder.js"

export const schema = builder.toSchema({ sortSchema: false })
