import type { ObjectRef } from "@pothos/core"
import { DEFAULT_FIRST, MAX_FIRST, type Page } from "../../queries/Page.js"
import { builder, perItem, type Types } from "../Builder.js"

interface PageInfoData {
  readonly hasNextPage: boolean
  readonly hasPreviousPage: boolean
  readonly startCursor: string | undefined
  readonly endCursor: string | undefined
}

const PageInfo = builder.objectRef<PageInfoData>("PageInfo").implement({
  description: "Where a page of a list lies.",
  fields: (t) => ({
    hasNextPage: t.exposeBoolean("hasNextPage", { description: "Whether there is more after this page." }),
    hasPreviousPage: t.exposeBoolean("hasPreviousPage", {
      description: "Whether this page was asked for with `after`.",
    }),
    startCursor: t.exposeString("startCursor", {
      nullable: true,
      description: "Cursor of the page's first item.",
    }),
    endCursor: t.exposeString("endCursor", {
      nullable: true,
      description: "Give it as `after` for the next page.",
    }),
  }),
})

/** A Relay connection of the type: `NameConnection` with `edges`, `nodes` and `pageInfo`. */
export const connectionOf = <A>(name: string, node: ObjectRef<Types, A>) => {
  const edge = builder.objectRef<{ readonly cursor: string; readonly node: A }>(`${name}Edge`).implement({
    description: `One ${name} of a page, with its place in the list.`,
    fields: (t) => ({
      cursor: t.exposeString("cursor", { description: "Give it as `after` to go on behind this item." }),
      node: t.field({ type: node, description: "The item.", resolve: (one) => one.node as never }),
    }),
  })
  return builder.objectRef<Page<A>>(`${name}Connection`).implement({
    description: `A page of a list of ${name}.`,
    fields: (t) => ({
      edges: t.field({
        type: [edge],
        description: "The items of the page with their cursors.",
        resolve: (page) => [...page.edges],
      }),
      nodes: t.field({
        type: [node],
        description: "The items of the page.",
        resolve: (page) => page.edges.map((one) => one.node),
      }),
      pageInfo: t.field({
        type: PageInfo,
        description: "Where the page lies.",
        resolve: (page) => ({
          hasNextPage: page.hasNextPage,
          hasPreviousPage: page.hasPreviousPage,
          startCursor: page.edges[0]?.cursor,
          endCursor: page.endCursor,
        }),
      }),
    }),
  })
}

export const firstDescription = `How many: 0 to ${MAX_FIRST}; ${DEFAULT_FIRST} when missing.`
export const afterDescription = "Cursor of the last item that was seen: `endCursor` of the page before."

export const pageCost = (args: { readonly first?: number | null | undefined }) =>
  perItem(args.first ?? DEFAULT_FIRST)
