/**
 * Whose data the one who asks may see. Every read of the service takes it, so that what belongs to
 * another merchant can't be told from what does not exist.
 */
export type Scope = { readonly _tag: "All" } | { readonly _tag: "Merchant"; readonly merchantId: string }

export const everything: Scope = { _tag: "All" }
export const ofMerchant = (merchantId: string): Scope => ({ _tag: "Merchant", merchantId })

export const sees = (scope: Scope, merchantId: string): boolean =>
  scope._tag === "All" || scope.merchantId === merchantId
