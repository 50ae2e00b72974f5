import * as Context from "effect/Context"

/** Who is asking, as the key they sent says. */
export type Principal =
  | { readonly _tag: "Administrator"; readonly keyId: string }
  | { readonly _tag: "Merchant"; readonly keyId: string; readonly merchantId: string }

export interface AccessService {
  /**
   * The principal of an `Authorization` header's value (`Bearer KEY`); undefined when the key is
   * missing, wrong or revoked. Answers at once when the key is known already: the collecting path
   * calls it for every request.
   */
  readonly principal: (
    authorization: string | undefined,
  ) => Principal | undefined | Promise<Principal | undefined>
}

export class Access extends Context.Tag("tidemark/Access")<Access, AccessService>() {}
