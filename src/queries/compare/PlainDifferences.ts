import type { Doc } from "../../readmodels/ReadModels.js"
import type { Difference } from "./Difference.js"
import type { DifferentDocument } from "./Documents.js"

/** Every number in a document, by where it stands in it. */
function* numbersIn(doc: Doc | undefined, path: string): Generator<[string, number]> {
  if (typeof doc === "number") yield [path, doc]
  else if (typeof doc === "boolean") yield [path, doc ? 1 : 0]
  else if (doc !== null && typeof doc === "object") {
    for (const [name, value] of Object.entries(doc)) yield* numbersIn(value, `${path}.${name}`)
  }
}

/**
 * Where the numbers of a document differ; the document as a whole, without numbers, when it is something else
 * that differs in it.
 */
export function* plainDifferences({
  collection,
  key,
  before,
  after,
}: DifferentDocument): Generator<Difference> {
  const [merchantId, ...rest] = key
  const place = [collection, ...rest].join(" ")
  const [left, right] = [new Map(numbersIn(before, "")), new Map(numbersIn(after, ""))]
  let found = 0
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    const [one, other] = [left.get(path) ?? null, right.get(path) ?? null]
    if (one === other) continue
    found++
    yield {
      merchantId,
      key: `${place} ${path.slice(1)}`.trim(),
      before: one,
      after: other,
      bucket: undefined,
    }
  }
  if (found === 0) yield { merchantId, key: place, before: null, after: null, bucket: undefined }
}
