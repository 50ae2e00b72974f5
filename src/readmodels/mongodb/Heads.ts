import type { Partition } from "../../domain/Partition.js"
import { type Connection, isDuplicate } from "../../mongodb/Connection.js"
import type { Checkpoint } from "../ReadModels.js"

/** What a build holds, and where: one document, read before and written after everything else. */
export interface Head {
  readonly _id: string
  /** Number of the namespace in which the build's collections lie; never used again. */
  readonly space: number
  /** The last commit whose documents are all in place: its number, its owner, and the checkpoints. */
  readonly v: { readonly n: number; readonly owner: string; readonly checkpoints: string }
}

/** A stored document of a read model: `v.n` is the commit that wrote it. Without `d` it was removed. */
export interface StoredDoc {
  readonly _id: string
  readonly v: { readonly n: number; readonly d?: string }
}

export const HEADS = "heads"
const SPACES = "spaces"

interface Space {
  readonly _id: number
  readonly build: string
}

export const collectionName = (space: number, collection: string): string => `b${space}.${collection}`

/** The namespace in a collection's name; undefined when the collection is not one of a build. */
export const spaceOf = (name: string): number | undefined => {
  const found = /^b(\d+)\./.exec(name)?.[1]
  return found === undefined ? undefined : Number(found)
}

export const noCheckpoints: ReadonlyMap<Partition, Checkpoint> = new Map()

export class Heads {
  constructor(private readonly connection: Connection) {}

  private get heads() {
    return this.connection.collection<Head>(HEADS)
  }

  read(build: string): Promise<Head | null> {
    return this.connection.within(`reading the head of ${build}`, this.heads.findOne({ _id: build }))
  }

  all(): Promise<ReadonlyArray<Head>> {
    return this.connection.within("reading all heads", this.heads.find({}).toArray())
  }

  /** A head for a build that has none. Numbers are taken by inserting them, which only one can. */
  async create(build: string): Promise<Head> {
    const spaces = this.connection.collection<Space>(SPACES)
    for (;;) {
      const [last] = await this.connection.within(
        "looking for a free namespace",
        spaces.find({}).sort({ _id: -1 }).limit(1).toArray(),
      )
      const space = (last?._id ?? 0) + 1
      const head: Head = { _id: build, space, v: { n: 0, owner: "", checkpoints: "[]" } }
      try {
        await this.connection.within("taking a namespace", spaces.insertOne({ _id: space, build }))
        await this.connection.within(`making the head of ${build}`, this.heads.insertOne(head))
        return head
      } catch (error) {
        if (!isDuplicate(error)) throw error
        const found = await this.read(build)
        if (found !== null) return found
      }
    }
  }

  /** Moves the head on to a commit; never back, whoever comes late. False: the build was dropped. */
  async moveTo(head: Head): Promise<boolean> {
    const { _id, space, v } = head
    const result = await this.connection.within(
      `moving the head of ${_id}`,
      this.heads.updateOne({ _id, space }, { $max: { v } }),
    )
    return result.matchedCount === 1
  }

  async remove(build: string): Promise<void> {
    await this.connection.within(`removing the head of ${build}`, this.heads.deleteOne({ _id: build }))
  }
}
