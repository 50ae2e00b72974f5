import { randomBytes } from "node:crypto"
import { hashOfKey } from "../../accounts/KeyAccess.js"
import { isMerchantId, type Merchant as MerchantData } from "../../queries/MerchantQueries.js"
import { everything } from "../../queries/Scope.js"
import { builder } from "../Builder.js"
import { changeApiKey, changeSettings } from "../Commands.js"
import type { Context } from "../Context.js"
import { requireAdministrator, run } from "../Errors.js"
import {
  type ApiKeyPayloadData,
  CreateApiKeyInput,
  CreateApiKeyPayload,
  RevokeApiKeyInput,
  RevokeApiKeyPayload,
} from "./ApiKey.js"
import { Merchant } from "./Merchant.js"
import {
  CreateMerchantInput,
  type MerchantInput,
  parseSettings,
  UpdateMerchantInput,
} from "./MerchantInput.js"
import { UserError, type UserErrorData, unknownMerchant, userError } from "./UserError.js"

interface MerchantPayloadData {
  readonly merchant: MerchantData | undefined
  readonly userErrors: ReadonlyArray<UserErrorData>
}

const MerchantPayload = builder.objectRef<MerchantPayloadData>("MerchantPayload").implement({
  description: "The merchant after the change, or why it was not made.",
  fields: (t) => ({
    merchant: t.expose("merchant", {
      type: Merchant,
      nullable: true,
      description: "The merchant with its new settings; null when nothing was changed.",
    }),
    userErrors: t.expose("userErrors", { type: [UserError], description: "Why the change was not made." }),
  }),
})

const MAX_LABEL = 200

const saveMerchant = async (
  context: Context,
  kind: "create" | "update",
  input: MerchantInput,
): Promise<MerchantPayloadData> => {
  requireAdministrator(context)
  const { errors, change } = parseSettings(input)
  if (errors.length > 0) return { merchant: undefined, userErrors: errors }
  const done = await changeSettings(context, { merchantId: input.id, kind, change })
  switch (done._tag) {
    case "Exists": {
      const message = `a merchant "${input.id}" exists already: use updateMerchant, or another id`
      return { merchant: undefined, userErrors: [userError("MERCHANT_EXISTS", message, "input", "id")] }
    }
    case "Missing":
      return { merchant: undefined, userErrors: [unknownMerchant(input.id, "input", "id")] }
    case "Saved": {
      const found = await run(context.services.queries.merchants.find(everything, input.id))
      const lastEventAt = found?.lastEventAt ?? null
      const merchant = { id: input.id, settings: done.settings, lastEventAt, silent: found?.silent ?? false }
      return { merchant, userErrors: [] }
    }
  }
}

const newApiKey = async (
  context: Context,
  merchantId: string,
  label: string | null | undefined,
): Promise<ApiKeyPayloadData> => {
  requireAdministrator(context)
  if (!isMerchantId(merchantId)) return { userErrors: [unknownMerchant(merchantId, "input", "merchantId")] }
  if ((label?.length ?? 0) > MAX_LABEL) {
    const message = `label is longer than ${MAX_LABEL} characters`
    return { userErrors: [userError("TOO_LONG", message, "input", "label")] }
  }
  const keyId = randomBytes(9).toString("base64url")
  const key = `tmk_${randomBytes(32).toString("base64url")}`
  const done = await changeApiKey(context, {
    ...{ merchantId, kind: "issue", keyId, hash: hashOfKey(key) },
    ...(label === null || label === undefined ? {} : { label }),
  })
  return done._tag === "Saved"
    ? { keyId, key, userErrors: [] }
    : { userErrors: [unknownMerchant(merchantId, "input", "merchantId")] }
}

const revokeApiKey = async (
  context: Context,
  merchantId: string,
  keyId: string,
): Promise<ApiKeyPayloadData> => {
  requireAdministrator(context)
  if (!isMerchantId(merchantId)) return { userErrors: [unknownMerchant(merchantId, "input", "merchantId")] }
  const done = await changeApiKey(context, { merchantId, kind: "revoke", keyId })
  if (done._tag === "Saved") return { keyId, userErrors: [] }
  const message = `merchant "${merchantId}" has no API key "${keyId.slice(0, 64)}"`
  return { userErrors: [userError("API_KEY_UNKNOWN", message, "input", "keyId")] }
}

builder.mutationType({
  description: "Changes. Each answers when it is recorded and, as a rule, to be seen in what is read next.",
  fields: (t) => ({
    createMerchant: t.field({
      type: MerchantPayload,
      description: "Makes a merchant; for administrators.",
      complexity: 10,
      args: { input: t.arg({ type: CreateMerchantInput, required: true, description: "The merchant." }) },
      resolve: (_, { input }, context) => saveMerchant(context, "create", input),
    }),
    updateMerchant: t.field({
      type: MerchantPayload,
      description:
        "Changes a merchant's settings; for administrators. After a change of time zone, earlier events stay in the buckets they were counted in.",
      complexity: 10,
      args: { input: t.arg({ type: UpdateMerchantInput, required: true, description: "What to change." }) },
      resolve: (_, { input }, context) => saveMerchant(context, "update", input),
    }),
    createApiKey: t.field({
      type: CreateApiKeyPayload,
      description: "Makes an API key with which a merchant sends and reads its own data; for administrators.",
      complexity: 10,
      args: {
        input: t.arg({ type: CreateApiKeyInput, required: true, description: "Whose, and what for." }),
      },
      resolve: (_, { input }, context) => newApiKey(context, input.merchantId, input.label),
    }),
    revokeApiKey: t.field({
      type: RevokeApiKeyPayload,
      description: "Ends an API key; for administrators.",
      complexity: 10,
      args: { input: t.arg({ type: RevokeApiKeyInput, required: true, description: "Which key." }) },
      resolve: (_, { input }, context) => revokeApiKey(context, input.merchantId, input.keyId),
    }),
  }),
})
