import type { Filter, FindCursor, Sort } from "mongodb"
import { start } from "../../domain/Position.js"
import type { Connection } from "../../mongodb/Connection.js"
import { decodeCheckpoints } from "../embedded/Checkpoints.js"
import type { Answer, Checkpoint, Doc, Question, Ref, Row, Scan } from "../ReadModels.js"
import type { StoredDoc } from "./Heads.js"
import { collectionName, type Head, type Heads } from "./Heads.js"
import { byCollection } from "./Journal.js"
import { compareKeys, Pending } from "./Pending.js"

/** Documents in one look-up. */
const IDS = 1_000
/** Scans of one call that run at once. */
const PARALLEL = 8
/** So long is waited for a commit to be put in place; then it is read from its journal. */
const PATIENCE_MS = 500
/** So long until the answer is what is there: commits have followed on each other, each quicker than the reading. */
const LONGEST_MS = 5_000

const nothing: Checkpoint = { position: start, recordedAt: null }

interface Scanned {
  readonly rows: ReadonlyArray<Row>
  /** Tells apart what was read: two scans with equal texts gave equal rows. */
  readonly texts: string
  /** The latest commit that wrote any of it. */
  readonly latest: number
}

const inParallel = async <A, B>(
  items: ReadonlyArray<A>,
  run: (item: A) => Promise<B>,
): Promise<ReadonlyArray<B>> => {
  const results: Array<B> = []
  let next = 0
  const work = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await run(items[index] as A)
    }
  }
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, work))
  return results
}

/** With the documents of a commit that is not in place, in order of keys. */
const merged = (
  found: ReadonlyArray<readonly [string, string]>,
  changed: ReadonlyMap<string, string | undefined>,
  reverse: boolean,
): ReadonlyArray<readonly [string, string]> => {
  const more = [...changed].flatMap(([key, text]) => (text === undefined ? [] : [[key, text] as const]))
  return [...found, ...more].sort(([a], [b]) => (reverse ? compareKeys(b, a) : compareKeys(a, b)))
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Reads of a build at one moment: the head first, then documents. One that a later commit has written says that
 * this commit is being put in place, or has been since: then all is read again. A commit that takes long, or
 * whose writer has died, is read from its journal, which lies over the documents then.
 */
export class Reader {
  private pending: Promise<Pending | undefined> | undefined

  constructor(
    private readonly connection: Connection,
    private readonly heads: Heads,
  ) {}

  /** `known`: the build's namespace, where the caller has it. */
  async load(
    build: string,
    refs: ReadonlyArray<Ref>,
    known?: number,
  ): Promise<ReadonlyArray<Doc | undefined>> {
    const space = refs.length === 0 ? undefined : (known ?? (await this.heads.read(build))?.space)
    if (space === undefined) return refs.map(() => undefined)
    const lookUps = [...byCollection(refs)].flatMap(([collection, some]) => {
      const keys = [...new Set(some.map(({ key }) => key))]
      return Array.from({ length: Math.ceil(keys.length / IDS) }, (_, i) => ({
        collection,
        keys: keys.slice(i * IDS, (i + 1) * IDS),
      }))
    })
    const found = new Map<string, Doc>()
    await inParallel(lookUps, async ({ collection, keys }) => {
      const docs = await this.connection.within(
        `reading documents of ${collection}`,
        this.docs(space, collection)
          .find({ _id: { $in: keys } })
          .toArray(),
      )
      for (const { _id, v } of docs) {
        if (v.d !== undefined) found.set(`${collection}\u0000${_id}`, JSON.parse(v.d))
      }
    })
    return refs.map(({ collection, key }) => found.get(`${collection}\u0000${key}`))
  }

  async queryMany(build: string, questions: ReadonlyArray<Question>): Promise<ReadonlyArray<Answer>> {
    const began = performance.now()
    const followed: Array<{ readonly texts: string; readonly scans: ReadonlyArray<Scan> }> = []
    for (let attempt = 0; ; attempt++) {
      const head = await this.heads.read(build)
      const took = performance.now() - began
      const pending = head === null || took < PATIENCE_MS ? undefined : await this.pendingOn(head)
      const n = pending?.n ?? head?.v.n ?? 0
      const isWhole = (scanned: ReadonlyArray<Scanned>) =>
        took >= LONGEST_MS || scanned.every(({ latest }) => latest <= n)

      const first = await this.scanAll(
        head,
        questions.map(({ scans }) => scans),
        pending,
      )
      if (isWhole(first.flat())) {
        const more = questions.map(({ follow }, index) => {
          if (follow === undefined) return []
          const scanned = first[index] ?? []
          const texts = JSON.stringify(scanned.map((one) => one.texts))
          const known = followed[index]
          if (known?.texts === texts) return known.scans
          const scans = follow(scanned.map(({ rows }) => rows))
          followed[index] = { texts, scans }
          return scans
        })
        const second = await this.scanAll(head, more, pending)
        if (isWhole(second.flat())) {
          const text = pending?.checkpoints ?? head?.v.checkpoints
          const checkpoints = text === undefined ? undefined : decodeCheckpoints(text)
          return questions.map(({ partition }, index) => ({
            checkpoint: checkpoints?.get(partition) ?? nothing,
            rows: [...(first[index] ?? []), ...(second[index] ?? [])].map(({ rows }) => rows),
          }))
        }
      }
      await pause(Math.min(50, 2 * attempt))
    }
  }

  /** Questions that wait for one commit read its journal once. */
  private async pendingOn(head: Head): Promise<Pending | undefined> {
    const known = await this.pending
    if (known !== undefined && known.space === head.space && known.n === head.v.n + 1) return known
    const reading = Pending.read(this.connection, head)
    this.pending = reading.catch(() => undefined)
    return reading
  }

  private async scanAll(
    head: Head | null,
    scans: ReadonlyArray<ReadonlyArray<Scan>>,
    pending: Pending | undefined,
  ): Promise<ReadonlyArray<ReadonlyArray<Scanned>>> {
    if (head === null) return scans.map((some) => some.map(() => ({ rows: [], texts: "", latest: 0 })))
    const results = await inParallel(scans.flat(), (scan) => this.scan(head, scan, pending))
    let at = 0
    return scans.map((some) => {
      at += some.length
      return results.slice(at - some.length, at)
    })
  }

  /** Documents that were removed lie among the others, and don't count. */
  private async scan(head: Head, scan: Scan, pending: Pending | undefined): Promise<Scanned> {
    const { collection, from, to, limit, reverse } = scan
    const changed = pending?.within(scan)
    const found: Array<readonly [key: string, text: string]> = []
    let latest = 0
    let range: Filter<StoredDoc>["_id"] = { $gte: from, $lt: to }
    const order: Sort = { _id: reverse === true ? -1 : 1 }
    const most = limit ?? Number.POSITIVE_INFINITY
    while (found.length < most && from < to) {
      const wanted = most - found.length
      const cursor: FindCursor<StoredDoc> = this.docs(head.space, collection).find({ _id: range }).sort(order)
      if (Number.isFinite(wanted)) cursor.limit(wanted)
      const docs: ReadonlyArray<StoredDoc> = await this.connection.within(
        `scanning ${collection}`,
        cursor.toArray(),
      )
      for (const { _id, v } of docs) {
        if (v.n > latest) latest = v.n
        if (v.d !== undefined && changed?.has(_id) !== true) found.push([_id, v.d])
      }
      const last = docs.at(-1)
      if (docs.length < wanted || last === undefined) break
      range = reverse === true ? { $gte: from, $lt: last._id } : { $gt: last._id, $lt: to }
    }
    const all = changed === undefined || changed.size === 0 ? found : merged(found, changed, reverse === true)
    const kept = all.length > most ? all.slice(0, most) : all
    return {
      rows: kept.map(([key, text]) => ({ key, doc: JSON.parse(text) })),
      texts: kept.flat().join("\u0000"),
      latest,
    }
  }

  private docs(space: number, collection: string) {
    return this.connection.collection<StoredDoc>(collectionName(space, collection))
  }
}
