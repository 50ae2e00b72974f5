import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Kinds of tests, those whose files take longest first: a long one that begins last keeps one process waiting. */
const kinds = ["test/fault/stores", "test/fault/", "test/api/", "test/contract/"]

const rankOf = ({ moduleId }: TestSpecification): number => {
  const rank = kinds.findIndex((kind) => moduleId.includes(kind))
  return rank < 0 ? kinds.length : rank
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return [...files].sort((a, b) => rankOf(a) - rankOf(b))
  }
}
