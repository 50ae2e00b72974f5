import { WorkingSet } from "../../../src/processors/WorkingSet.js"
import type { Doc, Row, Scan } from "../../../src/readmodels/ReadModels.js"

/** A working set on documents that are kept as text, as a store does; `commit` says how many it wrote. */
export const documents = () => {
  const texts = new Map<string, string>()
  const load = (collection: string, name: string): Doc | undefined => {
    const text = texts.get(`${collection}/${name}`)
    return text === undefined ? undefined : JSON.parse(text)
  }
  const docs = new WorkingSet(load)
  /** `forgets`: nothing stays in memory. */
  const commit = (forgets = true) => {
    const puts = docs.puts()
    for (const { collection, key, doc } of puts) {
      if (doc === undefined) texts.delete(`${collection}/${key}`)
      else texts.set(`${collection}/${key}`, JSON.stringify(doc))
    }
    const written = puts.length
    docs.committed()
    if (forgets) docs.discard()
    return written
  }
  const scan = ({ collection, from, to }: Scan): ReadonlyArray<Row> =>
    [...texts]
      .filter(([name]) => name.startsWith(`${collection}/`))
      .map(([name, text]) => ({ key: name.slice(collection.length + 1), doc: JSON.parse(text) }))
      .filter((row) => row.key >= from && row.key < to)
  return { docs, texts, commit, scan }
}
