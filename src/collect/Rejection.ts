/**
 * Why one event was not taken. `path` names the field (`amount`, `user.birthYear`); it is missing when the
 * event as a whole is wrong. The message says what would be right and never repeats what was sent, because
 * it is kept in quarantine, where raw client ids, addresses and user agents must not appear.
 */
export class Rejection {
  constructor(
    readonly code: string,
    readonly path: string | undefined,
    readonly message: string,
  ) {}
}

/** The event names a merchant that the key doesn't belong to: the whole request is refused. */
export class ForeignMerchant extends Rejection {
  constructor() {
    super(
      "FORBIDDEN_MERCHANT",
      "merchantId",
      "This key belongs to another merchant. Leave merchantId out, or use that merchant's own key. Nothing was stored.",
    )
  }
}

/** An entry of `rejected` in the answer. Sending the same event again gives the same: never retryable. */
export interface RejectedEntry {
  readonly index: number
  readonly code: string
  readonly path?: string
  readonly message: string
  readonly retryable: false
}

export const rejectedEntry = (
  index: number,
  refused: { readonly code: string; readonly path?: string | undefined; readonly message: string },
): RejectedEntry =>
  refused.path === undefined
    ? { index, code: refused.code, message: refused.message, retryable: false }
    : { index, code: refused.code, path: refused.path, message: refused.message, retryable: false }
