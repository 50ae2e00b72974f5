import { type Connection, isDuplicate } from "../../mongodb/Connection.js"
import type { Registered } from "../ReadModels.js"

/**
 * What is registered of a projection at one revision. Each revision is a document of its own: that only one can
 * be inserted is what makes a write a compare-and-set, also where updates are not atomic.
 */
interface Entry {
  /** Projection and revision. */
  readonly _id: string
  readonly projection: string
  readonly revision: number
  /** JSON of the rest. */
  readonly record: string
}

export const REGISTRY = "projections"

/** Revisions that stay: as many as others may write between a look at the newest and a write. */
const KEPT = 100

const idOf = (projection: string, revision: number): string => `${projection}@${revision}`

export class Registry {
  constructor(private readonly connection: Connection) {}

  private get registry() {
    return this.connection.collection<Entry>(REGISTRY)
  }

  private async newest(): Promise<ReadonlyMap<string, Entry>> {
    const all = await this.connection.within("listing builds", this.registry.find({}).toArray())
    const newest = new Map<string, Entry>()
    for (const entry of all) {
      const known = newest.get(entry.projection)
      if (known === undefined || known.revision < entry.revision) newest.set(entry.projection, entry)
    }
    return newest
  }

  /** In order of the projections' names. */
  async registered(): Promise<ReadonlyArray<Registered>> {
    const names = [...(await this.newest()).entries()].sort(([a], [b]) => (a < b ? -1 : 1))
    return names.map(([, { record }]) => JSON.parse(record) as Registered)
  }

  /** False, and nothing is written, when what is stored does not have the revision before this one's. */
  async register(next: Registered): Promise<boolean> {
    const { projection, revision } = next
    const stored = (await this.newest()).get(projection)?.revision ?? 0
    if (stored !== revision - 1) return false
    const entry = { _id: idOf(projection, revision), projection, revision, record: JSON.stringify(next) }
    try {
      await this.connection.within(`saving the builds of ${projection}`, this.registry.insertOne(entry))
    } catch (error) {
      if (isDuplicate(error)) return false
      throw error
    }
    const old = revision - KEPT
    if (old > 0) {
      await this.connection.within(
        `forgetting former builds of ${projection}`,
        this.registry.deleteOne({ _id: idOf(projection, old) }),
      )
    }
    return true
  }
}
