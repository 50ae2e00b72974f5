import * as Data from "effect/Data"
import type { Http } from "../client/Http.js"
import type { Shop } from "./shops.js"

/** The shops could not be made, so that nothing else makes sense. */
export class ShopsNotMade extends Data.TaggedError("ShopsNotMade")<{ readonly reason: string }> {
  override get message(): string {
    return `the demo's shops can't be made: ${this.reason}`
  }
}

const mutation = `mutation ($input: CreateMerchantInput!) {
  createMerchant(input: $input) { userErrors { code message } }
}`

interface Answer {
  readonly data?: {
    readonly createMerchant: {
      readonly userErrors: ReadonlyArray<{ readonly code: string; readonly message: string }>
    }
  }
  readonly errors?: ReadonlyArray<{ readonly message: string }>
}

/**
 * Makes the shop as a merchant, with its settings. Answers whether it is new: one that exists is left as it
 * is. Throws ShopsNotMade.
 */
export const createShop = async (http: Http, shop: Shop): Promise<boolean> => {
  const { id, name, timezone, currency, grade, location, businessType } = shop
  const input = { id, name, timezone, currency, grade, location, businessType }
  const body = JSON.stringify({ query: mutation, variables: { input } })
  const answer = await http.post("/graphql", "application/json", body).catch((cause: unknown) => {
    const { code, message } = cause as { readonly code?: string; readonly message: string }
    throw new ShopsNotMade({ reason: `there is no answer (${code ?? message}). Is Tidemark running?` })
  })
  if (answer.status === 401) throw new ShopsNotMade({ reason: "the key is not valid" })
  let parsed: Answer
  try {
    parsed = JSON.parse(answer.body) as Answer
  } catch {
    throw new ShopsNotMade({ reason: `the answer is not GraphQL's (${answer.status})` })
  }
  const failure = parsed.errors?.[0]?.message
  if (failure !== undefined) throw new ShopsNotMade({ reason: failure })
  const errors = parsed.data?.createMerchant.userErrors ?? []
  if (errors.some(({ code }) => code === "MERCHANT_EXISTS")) return false
  if (errors.length > 0) throw new ShopsNotMade({ reason: errors.map(({ message }) => message).join("; ") })
  return true
}
