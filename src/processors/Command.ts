import * as Data from "effect/Data"
import * as Either from "effect/Either"
import type { Position } from "../domain/Position.js"
import type { Act, Build, Registered } from "../readmodels/ReadModels.js"
import type { Definition } from "./Processors.js"

/** What an administrator may do with the builds of a projection. */
export type Command =
  /** `promote`: it serves by itself as soon as it is level. `merchantId`: of this merchant's events alone. */
  | {
      readonly _tag: "Rebuild"
      readonly projection: string
      readonly promote: boolean
      readonly merchantId?: string | undefined
    }
  /** The rebuild of all merchants or, while there is none, the only one of a merchant. */
  | { readonly _tag: "Cancel"; readonly projection: string }
  | {
      readonly _tag: "Promote"
      readonly projection: string
      readonly build: string
      /** The build that serves, as far as who commands knows; of a merchant's build, that merchant. */
      readonly expectedServing: string
      /** Also when the build is behind. */
      readonly force: boolean
    }
  | {
      readonly _tag: "Rollback"
      readonly projection: string
      /** A merchant's build: that merchant goes back to the build of all. */
      readonly expectedServing: string
      readonly force: boolean
    }
  | { readonly _tag: "Drop"; readonly projection: string; readonly build: string }
  | { readonly _tag: "Pause"; readonly projection: string }
  | { readonly _tag: "Resume"; readonly projection: string }
  /** Fold what waits behind dead letters, in all builds. */
  | { readonly _tag: "RetryDeadLetters"; readonly projection: string }

/** Why a command was not carried out. The codes are public. */
export type RefusalCode =
  /** Somebody else was faster. */
  | "CONFLICT"
  | "PROJECTION_UNKNOWN"
  | "MERCHANT_UNKNOWN"
  /** Which of several is meant. */
  | "BUILD_REQUIRED"
  /** One merchant can't be rebuilt by itself. */
  | "CROSSES_MERCHANTS"
  /** Merchants that are rebuilt, or have a build of their own. */
  | "TOO_MANY_BUILDS"
  | "BUILD_UNKNOWN"
  | "BUILD_FAILED"
  /** The serving build can't be dropped. */
  | "BUILD_SERVES"
  /** The build is behind, or nobody folds it. */
  | "NOT_READY"
  | "NOT_BUILDING"
  | "NOT_DEPLOYED"
  | "NOT_PAUSED"
  | "NOTHING_TO_ROLL_BACK_TO"
  | "NO_DEAD_LETTERS"
  /** They were retried, and some can't be folded still. */
  | "DEAD_LETTERS_REMAIN"
  /** It is recorded, and carried out as soon as the read models can be written. */
  | "NOT_CARRIED_OUT_YET"
  | "PAUSED"

export class CommandRefused extends Data.TaggedError("CommandRefused")<{
  readonly code: RefusalCode
  readonly message: string
}> {}

/** What a decision needs to know beside what is registered. */
export interface Facts {
  /** The newest code of the projection that this program has. */
  readonly deployed: Omit<Definition, "projection"> | undefined
  /** Whether the log has events of the merchant that the command names. */
  readonly isMerchantKnown?: boolean
  /** Why the build can't take over without force; undefined when it can. */
  readonly behind: (build: Build) => string | undefined
  /** Where the serving build of a reactor stands. A switch needs it to stand still there. */
  readonly handover?: Position | undefined
  /** Whether events wait that the build could not fold, and it runs. */
  readonly hasDeadLetters: (build: Build) => boolean
  readonly by: string
  /** Epoch ms. */
  readonly now: number
}

export type Decision = Either.Either<Registered, CommandRefused>

export const refuse = (code: RefusalCode, message: string): Decision =>
  Either.left(new CommandRefused({ code, message }))

const when = (at: number): string => new Date(at).toISOString()

export const told = (act: Act | undefined): string =>
  act === undefined ? "" : ` (${act.by} ${act.what} at ${when(act.at)})`
