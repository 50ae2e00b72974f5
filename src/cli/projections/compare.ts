import type { Client } from "./Client.js"

interface DifferenceShown {
  readonly merchantId: string | null
  readonly key: string
  readonly before: number | null
  readonly after: number | null
}

export interface ComparisonShown {
  readonly equal: boolean
  readonly position: string
  readonly from: string
  readonly to: string
  readonly fromDigest: string
  readonly toDigest: string
  readonly documents: number
  readonly differentDocuments: number
  readonly differenceCount: number
  readonly merchantCount: number
  readonly differences: {
    readonly nodes: ReadonlyArray<DifferenceShown>
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
  }
}

const COMPARE = `query ($name: String!, $from: ID, $to: ID, $position: Position, $first: Int, $after: String) {
  projectionComparison(name: $name, from: $from, to: $to, position: $position) {
    equal position from to fromDigest toDigest documents differentDocuments differenceCount merchantCount
    differences(first: $first, after: $after) {
      nodes { merchantId key before after } pageInfo { hasNextPage endCursor }
    }
  }
}`

/** The largest that one page may have. */
const PAGE = 200

/** Compares, and gives the first `most` of the differences. */
export const compareBuilds = async (
  client: Client,
  name: string,
  builds: { readonly from?: string; readonly to?: string },
  most: number,
): Promise<ComparisonShown> => {
  const page = async (asked: Readonly<Record<string, unknown>>) =>
    (
      await client.ask<{ projectionComparison: ComparisonShown }>(COMPARE, {
        ...{ name, from: builds.from ?? null, to: builds.to ?? null, ...asked },
      })
    ).projectionComparison
  const first = await page({ first: Math.min(PAGE, most) })
  const nodes = [...first.differences.nodes]
  let { pageInfo } = first.differences
  while (nodes.length < most && pageInfo.hasNextPage) {
    const { from, to, position } = first
    const next = await page({
      from,
      to,
      position,
      first: Math.min(PAGE, most - nodes.length),
      after: pageInfo.endCursor,
    })
    nodes.push(...next.differences.nodes)
    pageInfo = next.differences.pageInfo
  }
  return { ...first, differences: { nodes, pageInfo } }
}

const shown = (value: number | null): string => (value === null ? "none" : value.toLocaleString("en-US"))

/** A comparison for people. */
export const linesOf = (comparison: ComparisonShown): ReadonlyArray<string> => {
  const { from, to, position, documents, differentDocuments, differenceCount, differences } = comparison
  const heading = `${from} and ${to} at position ${position}: ${documents.toLocaleString("en-US")} documents`
  if (comparison.equal) {
    const how =
      differentDocuments === 0
        ? "all equal"
        : `all numbers equal, ${differentDocuments} documents laid out otherwise`
    return [`${heading}, ${how}`]
  }
  const { nodes } = differences
  const rest = differenceCount - nodes.length
  return [
    `${heading}, ${differenceCount.toLocaleString("en-US")} numbers differ`,
    ...nodes.map(
      ({ merchantId, key, before, after }) =>
        `  ${merchantId ?? ""}  ${key}  ${shown(before)} -> ${shown(after)}`,
    ),
    ...(rest > 0 ? [`  and ${rest.toLocaleString("en-US")} smaller ones: --first shows more`] : []),
  ]
}
