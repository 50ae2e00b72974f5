import { createHash, timingSafeEqual } from "node:crypto"
import type { AccessService, Principal } from "./Access.js"

export const hashOfKey = (key: string): string => createHash("sha256").update(key, "utf8").digest("hex")

/** An API key as the read model knows it; undefined for one that was never issued, or was revoked. */
export type FindKey = (
  hash: string,
) => Promise<{ readonly merchantId: string; readonly keyId: string } | undefined>

interface Known {
  readonly principal: Principal | undefined
  readonly until: number
}

/** How long a merchant's key is believed without looking again: a revoked one works no longer than this. */
const BELIEVED_MS = 5_000
/** A key that was just issued must not stay unknown for long. */
const UNKNOWN_MS = 500
const REMEMBERED = 10_000
/** Characters of a header; issued keys have far fewer, and longer ones must not fill the memory. */
const LONGEST = 1_000

const scheme = /^Bearer +([^\s]+) *$/i

/** Access by API keys: the administrator's, which is fixed, and those issued to merchants. */
export const keyAccess = (options: {
  readonly adminKey: string
  readonly findKey: FindKey
  readonly now?: () => number
}): AccessService => {
  const now = options.now ?? Date.now
  const admin: Principal = { _tag: "Administrator", keyId: "admin" }
  const adminHash = Buffer.from(hashOfKey(options.adminKey), "hex")
  const known = new Map<string, Known>()

  const remember = (authorization: string, principal: Principal | undefined): Principal | undefined => {
    if (known.size >= REMEMBERED) known.clear()
    const lifetime = principal === undefined ? UNKNOWN_MS : principal === admin ? Infinity : BELIEVED_MS
    known.set(authorization, { principal, until: now() + lifetime })
    return principal
  }

  const look = async (authorization: string, hash: string): Promise<Principal | undefined> => {
    const found = await options.findKey(hash)
    return remember(authorization, found === undefined ? undefined : { _tag: "Merchant", ...found })
  }

  return {
    principal: (authorization) => {
      if (authorization === undefined) return undefined
      const remembered = known.get(authorization)
      if (remembered !== undefined && remembered.until > now()) return remembered.principal
      const key = scheme.exec(authorization)?.[1]
      if (key === undefined) return undefined
      const hash = hashOfKey(key)
      const isAdmin = timingSafeEqual(Buffer.from(hash, "hex"), adminHash)
      if (authorization.length > LONGEST) return isAdmin ? admin : undefined
      if (isAdmin) return remember(authorization, admin)
      return look(authorization, hash)
    },
  }
}
