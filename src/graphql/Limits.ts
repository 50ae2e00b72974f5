import {
  type DocumentNode,
  Kind,
  type ParseOptions,
  parse,
  type SelectionSetNode,
  type Source,
} from "graphql"
import type { Plugin } from "graphql-yoga"
import type { Context } from "./Context.js"
import { shownError } from "./Errors.js"

/** What one document may hold. Each refusal names the limit. */
export const limits = {
  depth: 15,
  aliases: 50,
  directives: 50,
  fields: 1_000,
  tokens: 4_000,
} as const

interface Size {
  readonly depth: number
  readonly aliases: number
  readonly directives: number
  readonly fields: number
}

const nothing: Size = { depth: 0, aliases: 0, directives: 0, fields: 0 }

const beside = (a: Size, b: Size): Size => ({
  depth: Math.max(a.depth, b.depth),
  aliases: a.aliases + b.aliases,
  directives: a.directives + b.directives,
  fields: a.fields + b.fields,
})

/** The size of every operation with its fragments spelled out, at the cost of walking each fragment once. */
export const sizeOf = (document: DocumentNode): Size => {
  const fragments = new Map<string, SelectionSetNode>()
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node.selectionSet)
  }
  const known = new Map<string, Size>()

  const ofFragment = (name: string): Size => {
    const size = known.get(name)
    if (size !== undefined) return size
    // A fragment that spreads itself is refused by validation; here it must only end.
    known.set(name, nothing)
    const selections = fragments.get(name)
    const found = selections === undefined ? nothing : ofSelections(selections)
    known.set(name, found)
    return found
  }

  const ofSelections = (set: SelectionSetNode): Size => {
    let sum = nothing
    for (const node of set.selections) {
      const directives = node.directives?.length ?? 0
      if (node.kind === Kind.FIELD) {
        const inner = node.selectionSet === undefined ? nothing : ofSelections(node.selectionSet)
        sum = beside(sum, {
          depth: inner.depth + 1,
          aliases: inner.aliases + (node.alias === undefined ? 0 : 1),
          directives: inner.directives + directives,
          fields: inner.fields + 1,
        })
      } else {
        const inner =
          node.kind === Kind.FRAGMENT_SPREAD ? ofFragment(node.name.value) : ofSelections(node.selectionSet)
        sum = beside(sum, { ...inner, directives: inner.directives + directives })
      }
    }
    return sum
  }

  let size = nothing
  for (const node of document.definitions) {
    const directives = ("directives" in node ? node.directives?.length : 0) ?? 0
    size = beside(size, { ...nothing, directives })
    if (node.kind === Kind.OPERATION_DEFINITION) size = beside(size, ofSelections(node.selectionSet))
    // Unused ones are refused by validation, but only after all rules have walked them.
    if (node.kind === Kind.FRAGMENT_DEFINITION)
      size = beside(size, { ...ofFragment(node.name.value), aliases: 0 })
  }
  return size
}

const codes = {
  depth: "QUERY_TOO_DEEP",
  aliases: "TOO_MANY_ALIASES",
  directives: "TOO_MANY_DIRECTIVES",
  fields: "TOO_MANY_FIELDS",
} as const

const check = (document: DocumentNode): void => {
  const size = sizeOf(document)
  for (const name of ["depth", "aliases", "directives", "fields"] as const) {
    if (size[name] <= limits[name]) continue
    const message = `the document has ${name === "depth" ? "a depth" : name} of ${size[name]}, and the limit is ${limits[name]}`
    throw shownError(codes[name], message, { limit: limits[name], [name]: size[name] }, 400)
  }
}

const parseLimited = (source: string | Source, options?: ParseOptions): DocumentNode => {
  try {
    return parse(source, { ...options, maxTokens: limits.tokens })
  } catch (error) {
    if (error instanceof Error && error.message.includes("tokens")) {
      const message = `the document has more than ${limits.tokens} tokens, which is the limit`
      throw shownError("TOO_MANY_TOKENS", message, { limit: limits.tokens }, 400)
    }
    throw error
  }
}

/** Refuses documents that are too large in some way before they are validated, as validation can be slow. */
export const limitsPlugin: Plugin<Context> = {
  onParse: ({ setParseFn }) => {
    setParseFn(parseLimited)
    return ({ result }) => {
      if (result !== null && !(result instanceof Error)) check(result)
    }
  },
}
