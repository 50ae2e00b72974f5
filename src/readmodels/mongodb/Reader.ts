import type { Filter, FindCursor, Sort } from "mongodb"
import { start } from "../../domain/Position.js"
import { decodeCheckpoints } from "../embedded/Checkpoints.js"
import type { Answer, Checkpoint, Doc, Question, Ref, Row, Scan } from "../ReadModels.js"
import type { Connection, StoredDoc } from "./Connection.js"
import { collectionName, type Head, type Heads } from "./Heads.js"
import { byCollection } from "./Journal.js"

/** Documents in one look-up. */
const IDS = 1_000
/** Scans of one call that run at once. */
const PARALLEL = 8
/** So long is waited for a commit that is being put in place. */
const PATIENCE_MS = 500

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

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Reads of a build at one moment: the head first, then documents. One that a later commit has written says that
 * this commit is being put in place, or has been since: then all is read again. When that takes too long, the
 * answer is what is there, ahead of its checkpoint in part.
 */
export class Reader {
  constructor(
    private readonly connection: Connection,
    private readonly heads: Heads,
  ) {}

  async load(build: string, refs: ReadonlyArray<Ref>): Promise<ReadonlyArray<Doc | undefined>> {
    const head = refs.length === 0 ? null : await this.heads.read(build)
    if (head === null) return refs.map(() => undefined)
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
        this.docs(head, collection)
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
    const deadline = performance.now() + PATIENCE_MS
    const followed: Array<{ readonly texts: string; readonly scans: ReadonlyArray<Scan> }> = []
    for (let attempt = 0; ; attempt++) {
      const head = await this.heads.read(build)
      const isLast = performance.now() >= deadline
      const isWhole = (scanned: ReadonlyArray<Scanned>) =>
        head === null || isLast || scanned.every(({ latest }) => latest <= head.v.n)

      const first = await this.scanAll(
        head,
        questions.map(({ scans }) => scans),
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
        const second = await this.scanAll(head, more)
        if (isWhole(second.flat())) {
          const checkpoints = head === null ? undefined : decodeCheckpoints(head.v.checkpoints)
          return questions.map(({ partition }, index) => ({
            checkpoint: checkpoints?.get(partition) ?? nothing,
            rows: [...(first[index] ?? []), ...(second[index] ?? [])].map(({ rows }) => rows),
          }))
        }
      }
      await pause(Math.min(50, 2 * attempt))
    }
  }

  private async scanAll(
    head: Head | null,
    scans: ReadonlyArray<ReadonlyArray<Scan>>,
  ): Promise<ReadonlyArray<ReadonlyArray<Scanned>>> {
    if (head === null) return scans.map((some) => some.map(() => ({ rows: [], texts: "", latest: 0 })))
    const results = await inParallel(scans.flat(), (scan) => this.scan(head, scan))
    let at = 0
    return scans.map((some) => {
      at += some.length
      return results.slice(at - some.length, at)
    })
  }

  /** Documents that were removed lie among the others, and don't count. */
  private async scan(head: Head, { collection, from, to, limit, reverse }: Scan): Promise<Scanned> {
    const rows: Array<Row> = []
    const texts: Array<string> = []
    let latest = 0
    let range: Filter<StoredDoc>["_id"] = { $gte: from, $lt: to }
    const order: Sort = { _id: reverse === true ? -1 : 1 }
    const most = limit ?? Number.POSITIVE_INFINITY
    while (rows.length < most && from < to) {
      const wanted = most - rows.length
      const cursor: FindCursor<StoredDoc> = this.docs(head, collection).find({ _id: range }).sort(order)
      if (Number.isFinite(wanted)) cursor.limit(wanted)
      const docs: ReadonlyArray<StoredDoc> = await this.connection.within(
        `scanning ${collection}`,
        cursor.toArray(),
      )
      for (const { _id, v } of docs) {
        if (v.n > latest) latest = v.n
        if (v.d === undefined) continue
        rows.push({ key: _id, doc: JSON.parse(v.d) })
        texts.push(_id, v.d)
      }
      const last = docs.at(-1)
      if (docs.length < wanted || last === undefined) break
      range = reverse === true ? { $gte: from, $lt: last._id } : { $gt: last._id, $lt: to }
    }
    return { rows, texts: texts.join("\u0000"), latest }
  }

  private docs(head: Head, collection: string) {
    return this.connection.collection<StoredDoc>(collectionName(head.space, collection))
  }
}
