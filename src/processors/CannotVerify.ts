import * as Data from "effect/Data"

/** Nothing can be said about whether the read models are right. */
export class CannotVerify extends Data.TaggedError("CannotVerify")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}
