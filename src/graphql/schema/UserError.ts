import { builder } from "../Builder.js"

export interface UserErrorData {
  readonly code: string
  readonly message: string
  readonly path: ReadonlyArray<string>
}

export const UserError = builder.objectRef<UserErrorData>("UserError").implement({
  description: "Why a change was not made.",
  fields: (t) => ({
    code: t.exposeString("code", { description: "For programs, such as `MERCHANT_EXISTS`." }),
    message: t.exposeString("message", { description: "For people: what to change." }),
    path: t.field({
      type: ["String"],
      nullable: true,
      description: "The argument that is wrong.",
      resolve: ({ path }) => [...path],
    }),
  }),
})

export const userError = (code: string, message: string, ...path: ReadonlyArray<string>): UserErrorData => ({
  code,
  message,
  path,
})

export const unknownMerchant = (id: string, ...path: ReadonlyArray<string>): UserErrorData =>
  userError("MERCHANT_UNKNOWN", `there is no merchant "${id.slice(0, 64)}": create it first`, ...path)
