import type { Client } from "./Client.js"

export interface DeadLetterShown {
  readonly position: string
  readonly merchantId: string
  readonly eventType: string
  readonly error: string
  readonly parkedAt: string
  readonly waiting: number
  readonly build: string
  readonly retrying: boolean
}

const LIST = `query ($name: String!, $after: String) { projection(name: $name) { deadLetters(first: 200, after: $after) {
  nodes { position merchantId eventType error parkedAt waiting build retrying } pageInfo { hasNextPage endCursor } } } }`

interface Answer {
  readonly projection: {
    readonly deadLetters: {
      readonly nodes: ReadonlyArray<DeadLetterShown>
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
    }
  } | null
}

/** All of them, in the order of the log. */
export const deadLettersOf = async (
  client: Client,
  name: string,
): Promise<ReadonlyArray<DeadLetterShown>> => {
  // Says of a name that there is none.
  await client.find(name)
  const all: Array<DeadLetterShown> = []
  let after: string | null = null
  do {
    const answer: Answer = await client.ask<Answer>(LIST, { name, after })
    const page = answer.projection?.deadLetters
    all.push(...(page?.nodes ?? []))
    after = page?.pageInfo.hasNextPage === true ? page.pageInfo.endCursor : null
  } while (after !== null)
  return all
}

const count = (value: number): string => value.toLocaleString("en-US")

/** For people. */
export const linesOf = (name: string, letters: ReadonlyArray<DeadLetterShown>): ReadonlyArray<string> =>
  letters.length === 0
    ? [`${name}: no dead letters`]
    : [
        `${name}: ${count(letters.length)} dead letter${letters.length === 1 ? "" : "s"}`,
        ...letters.flatMap(
          ({ position, merchantId, eventType, error, parkedAt, waiting, build, retrying }) => [
            `  ${build}  position ${position}  ${merchantId}  ${eventType}  since ${parkedAt}, ${count(waiting)} behind it${retrying ? ", being retried" : ""}`,
            `      ${error}`,
          ],
        ),
      ]
