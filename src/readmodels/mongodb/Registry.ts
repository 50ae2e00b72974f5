import { type Connection, isDuplicate } from "../../mongodb/Connection.js"
import type { Build } from "../ReadModels.js"

/** The builds of one projection: one document, so that one write changes who serves. */
interface Registered {
  /** The projection's name. */
  readonly _id: string
  /** Changes with each write, which names the one that it has read. */
  readonly revision: number
  readonly builds: ReadonlyArray<Omit<Build, "projection">>
}

export const REGISTRY = "projections"
const ATTEMPTS = 20

export class Registry {
  constructor(private readonly connection: Connection) {}

  private get registry() {
    return this.connection.collection<Registered>(REGISTRY)
  }

  async list(): Promise<ReadonlyArray<Build>> {
    const all = await this.connection.within("listing builds", this.registry.find({}).toArray())
    return all
      .flatMap(({ _id, builds }) => builds.map((build) => ({ ...build, projection: _id })))
      .map(({ id, projection, definition, state }) => ({ id, projection, definition, state }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  save({ projection, ...build }: Build): Promise<void> {
    return this.change(projection, (builds) => [
      ...builds
        .filter(({ id }) => id !== build.id)
        .map((other) =>
          build.state === "SERVING" && other.state === "SERVING"
            ? { ...other, state: "STANDBY" as const }
            : other,
        ),
      build,
    ])
  }

  async remove(build: string): Promise<void> {
    for (const { id, projection } of await this.list()) {
      if (id === build) await this.change(projection, (builds) => builds.filter((one) => one.id !== build))
    }
  }

  private async change(
    projection: string,
    edit: (builds: Registered["builds"]) => Registered["builds"],
  ): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = await this.connection.within(
        `reading the builds of ${projection}`,
        this.registry.findOne({ _id: projection }),
      )
      const builds = edit(found?.builds ?? [])
      if (found === null) {
        try {
          const made = { _id: projection, revision: 1, builds }
          await this.connection.within(`saving the builds of ${projection}`, this.registry.insertOne(made))
          return
        } catch (error) {
          if (!isDuplicate(error)) throw error
          continue
        }
      }
      const result = await this.connection.within(
        `saving the builds of ${projection}`,
        this.registry.updateOne(
          { _id: projection, revision: found.revision },
          { $set: { builds, revision: found.revision + 1 } },
        ),
      )
      if (result.matchedCount === 1) return
    }
    throw new Error(`the builds of ${projection} are changed by others all the time: try again`)
  }
}
