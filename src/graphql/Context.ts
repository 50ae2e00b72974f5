import type { AccessService, Principal } from "../accounts/Access.js"
import type { RecorderService } from "../actors/Recorder.js"
import type { QuarantineService } from "../collect/Quarantine.js"
import type { QueriesService } from "../queries/Queries.js"
import { everything, ofMerchant, type Scope } from "../queries/Scope.js"

export interface Services {
  readonly queries: QueriesService
  readonly recorder: RecorderService
  readonly access: AccessService
  readonly quarantine: QuarantineService
}

/** What every resolver gets. */
export interface Context {
  readonly services: Services
  readonly principal: Principal
  /** As it was sent, for looking again while a subscription lasts. */
  readonly authorization: string | undefined
}

export const scopeOf = (principal: Principal): Scope =>
  principal._tag === "Administrator" ? everything : ofMerchant(principal.merchantId)
