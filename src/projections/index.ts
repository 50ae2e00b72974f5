import type { Projection } from "../processors/Projection.js"
import { clients } from "./clients.js"
import { merchants } from "./merchants.js"
import { metrics } from "./metrics.js"

/** Every projection that runs. */
export const projections: ReadonlyArray<Projection> = [metrics, clients, merchants]
