import { builder } from "../Builder.js"
import { UserError, type UserErrorData } from "./UserError.js"

export const CreateApiKeyInput = builder.inputType("CreateApiKeyInput", {
  description: "A new API key of a merchant.",
  fields: (t) => ({
    merchantId: t.id({ required: true, description: "The merchant whose data the key may send and read." }),
    label: t.string({ description: "What it is for, up to 200 characters." }),
  }),
})

export const RevokeApiKeyInput = builder.inputType("RevokeApiKeyInput", {
  description: "An API key that shall not work any more.",
  fields: (t) => ({
    merchantId: t.id({ required: true, description: "The merchant that it was made for." }),
    keyId: t.id({ required: true, description: "Its id, as `createApiKey` gave it." }),
  }),
})

export interface ApiKeyPayloadData {
  readonly keyId?: string
  readonly key?: string
  readonly userErrors: ReadonlyArray<UserErrorData>
}

export const CreateApiKeyPayload = builder.objectRef<ApiKeyPayloadData>("CreateApiKeyPayload").implement({
  description: "The new key, or why there is none.",
  fields: (t) => ({
    keyId: t.exposeID("keyId", { nullable: true, description: "Names the key in logs and for revoking." }),
    key: t.exposeString("key", {
      nullable: true,
      description: "The key itself. Shown this once: only its hash is kept.",
    }),
    userErrors: t.expose("userErrors", { type: [UserError], description: "Why it was not made." }),
  }),
})

export const RevokeApiKeyPayload = builder.objectRef<ApiKeyPayloadData>("RevokeApiKeyPayload").implement({
  description: "The key that was revoked, or why not.",
  fields: (t) => ({
    keyId: t.exposeID("keyId", {
      nullable: true,
      description: "The key. It stops working within 5 seconds; revoking it again changes nothing.",
    }),
    userErrors: t.expose("userErrors", { type: [UserError], description: "Why it was not revoked." }),
  }),
})
