import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"

export class KeyStoreUnavailable extends Data.TaggedError("KeyStoreUnavailable")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.reason
  }
}

/**
 * One secret key (32 bytes) for each client, kept outside the log: forgetting it erases the person.
 * A key is on disk before anyone sees it, so nothing is ever encrypted with a key that a crash can lose.
 */
export interface KeyStoreService {
  /** The keys of these clients; those that are missing are made. A forgotten client's stays undefined. */
  readonly ensure: (
    clientKeys: ReadonlyArray<string>,
  ) => Effect.Effect<ReadonlyArray<Buffer | undefined>, KeyStoreUnavailable>
  readonly find: (
    clientKeys: ReadonlyArray<string>,
  ) => Effect.Effect<ReadonlyArray<Buffer | undefined>, KeyStoreUnavailable>
  /** For good: `ensure` never makes a new key for a forgotten client. */
  readonly forget: (clientKey: string) => Effect.Effect<void, KeyStoreUnavailable>
}

export class KeyStore extends Context.Tag("tidemark/KeyStore")<KeyStore, KeyStoreService>() {}
