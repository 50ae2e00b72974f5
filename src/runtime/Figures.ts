import type { ActorsStats } from "../actors/Actors.js"
import type { CollectStats } from "../collect/CollectStats.js"
import type { QuarantineStats } from "../collect/Quarantine.js"
import type { Progress } from "../processors/Processors.js"
import type { ProjectionBuild, ProjectionInfo } from "../queries/ProjectionQueries.js"
import type { Figure } from "./Metrics.js"

export interface Sources {
  readonly collect: () => CollectStats
  readonly actors: () => ActorsStats
  readonly quarantine: () => QuarantineStats
  readonly progress: () => Promise<ReadonlyArray<Progress>>
  readonly projections: () => Promise<ReadonlyArray<ProjectionInfo>>
}

/** Everything that `/metrics` shows besides the process's own figures. */
export const figures = (from: Sources): ReadonlyArray<Figure> => {
  const counter = (name: string, help: string, read: Figure["read"], label?: string): Figure =>
    label === undefined ? { name, help, kind: "counter", read } : { name, help, kind: "counter", read, label }
  const gauge = (name: string, help: string, read: Figure["read"], label?: string): Figure => ({
    ...counter(name, help, read, label),
    kind: "gauge",
  })
  const { collect, actors, quarantine } = from
  const ofBuilds = (read: (build: ProjectionBuild) => number) => async () =>
    Object.fromEntries(
      (await from.projections()).flatMap(({ builds }) => builds.map((build) => [build.id, read(build)])),
    )
  return [
    counter(
      "collect_requests_total",
      "Requests to POST /v1/events",
      () => collect().requestsByStatus,
      "status",
    ),
    counter("events_accepted_total", "Events stored", () => collect().accepted),
    counter("events_duplicate_total", "Events that had been stored before", () => collect().duplicates),
    counter("events_rejected_total", "Events refused", () => collect().rejectedByCode, "code"),
    counter("collect_received_bytes_total", "Bytes of bodies received", () => collect().bytesReceived),
    gauge("collect_memory_bytes", "Bytes of bodies held now", () => collect().bytesInMemory),
    gauge("collect_requests_in_flight", "Requests being answered now", () => collect().requestsInFlight),
    gauge("actors_live", "Actors in memory", () => actors().liveActors),
    gauge("clients_live", "Clients that are not idle", () => actors().liveClients),
    gauge(
      "clients_live_bytes",
      "Bytes of the tables of clients that are not idle",
      () => actors().liveClientBytes,
    ),
    gauge("actors_waiting_events", "Events that wait for their actor", () => actors().waitingEvents),
    gauge("actors_waiting_bytes", "Bytes of events that wait for their actor", () => actors().waitingBytes),
    gauge("actors_index_backlog", "Ids not in the actors' index on disk yet", () => actors().indexBacklog),
    counter("actors_busy_total", "Requests turned away because a mailbox was full", () => actors().busy),
    counter("log_appended_events_total", "Events appended, with Tidemark's own", () => actors().appended),
    counter("log_conflicts_total", "Appends that met another writer", () => actors().conflicts),
    counter(
      "log_unknown_outcomes_total",
      "Appends repeated because no answer came",
      () => actors().unknownOutcomes,
    ),
    gauge("quarantine_waiting", "Refused events that wait to be kept", () => quarantine().waiting),
    counter("quarantine_dropped_total", "Refused events that could not be kept", () => quarantine().dropped),
    gauge(
      "projection_lag_milliseconds",
      "Age of the oldest event that a build lacks",
      ofBuilds(({ lagMs }) => lagMs),
      "build",
    ),
    gauge(
      "projection_progress_ratio",
      "How much of the log a build has folded",
      ofBuilds(({ progress }) => progress),
      "build",
    ),
    gauge(
      "projection_serving",
      "1 for the build that answers queries, else 0",
      ofBuilds(({ state }) => (state === "SERVING" ? 1 : 0)),
      "build",
    ),
    gauge(
      "projection_failed",
      "1 for a build that has stopped at an event, else 0",
      ofBuilds(({ failure }) => (failure === undefined ? 0 : 1)),
      "build",
    ),
    gauge(
      "projection_code_changed",
      "1 for a build whose code was changed under its version, else 0",
      ofBuilds(({ isCodeChanged }) => (isCodeChanged ? 1 : 0)),
      "build",
    ),
    gauge(
      "projection_dead_letters",
      "Merchants that wait behind an event that a build could not fold",
      ofBuilds(({ deadLetters }) => deadLetters.merchants),
      "build",
    ),
    gauge(
      "projection_waiting_events",
      "Events that wait behind those, with them",
      ofBuilds(({ deadLetters }) => deadLetters.waiting),
      "build",
    ),
    gauge(
      "projection_paused",
      "1 for a projection that folds nothing until it is resumed, else 0",
      async () =>
        Object.fromEntries(
          (await from.projections()).map(({ name, paused }) => [name, paused === undefined ? 0 : 1]),
        ),
      "projection",
    ),
    counter(
      "projection_unknown_events_total",
      "Events passed over because this program does not know their type or version",
      async () => mostOf((await from.progress()).map(({ passedOver }) => passedOver ?? {})),
      "type",
    ),
    gauge(
      "projection_events_per_second",
      "Events folded",
      async () =>
        Object.fromEntries(
          (await from.progress()).map(({ build, eventsPerSecond }) => [build, eventsPerSecond]),
        ),
      "build",
    ),
  ]
}

/** Every build passes over the same ones: the one that has seen most of them counts. */
const mostOf = (all: ReadonlyArray<Readonly<Record<string, number>>>): Readonly<Record<string, number>> => {
  const most = new Map<string, number>()
  for (const counts of all) {
    for (const [type, count] of Object.entries(counts)) most.set(type, Math.max(count, most.get(type) ?? 0))
  }
  return Object.fromEntries(most)
}
