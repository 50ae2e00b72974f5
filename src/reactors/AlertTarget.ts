import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { Alert } from "./Alert.js"

/** An alert was not taken. It is tried again, before any later one. */
export class AlertNotDelivered extends Data.TaggedError("AlertNotDelivered")<{
  readonly target: string
  readonly id: string
  readonly reason: string
}> {
  override get message(): string {
    return `${this.target} did not take the alert ${this.id}: ${this.reason}`
  }
}

/** Where alerts go. Add another by writing one of these and naming it in `src/runtime/AlertSettings.ts`. */
export interface AlertTarget {
  /** Of the reactor that serves it, so never to be changed: another name begins anew. */
  readonly name: string
  /**
   * Hands one over, once; fails when it is to be tried again.
   *
   * @param id the same whenever the same alert comes again, as it does after a crash: hand it on
   */
  readonly deliver: (id: string, alert: Alert) => Effect.Effect<void, AlertNotDelivered>
}
