import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Reactor } from "../processors/Reactor.js"
import { type Alert, type AlertKind, alertKinds } from "../reactors/Alert.js"
import type { AlertNotDelivered } from "../reactors/AlertTarget.js"
import { alertReactor } from "../reactors/alertReactor.js"
import { logTarget } from "../reactors/LogTarget.js"
import { webhookTarget } from "../reactors/WebhookTarget.js"

/** What is told to whom. */
export interface AlertSettings {
  readonly asked: ReadonlySet<AlertKind>
  /** Whether alerts are written to the log too, beside the line that each silence has there anyway. */
  readonly log: boolean
  readonly webhook: Option.Option<{ readonly url: Redacted.Redacted; readonly secret: Redacted.Redacted }>
}

const ON = "TIDEMARK_ALERT_ON"
const LOG = "TIDEMARK_ALERT_LOG"
const WEBHOOK = "TIDEMARK_ALERT_WEBHOOK"
const SECRET = "TIDEMARK_ALERT_SECRET"

/** Doubling from half a second to a minute, these are tried for a quarter of an hour. */
const REFUSALS = 20
const TIMEOUT_MS = 10_000

const isKind = (name: string): name is AlertKind => alertKinds.some((kind) => kind === name)

const asked = Config.string(ON).pipe(
  Config.withDefault("client-idle, merchant-silent, merchant-resumed"),
  Config.mapOrFail((text) => {
    const names = text
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "")
    const unknown = names.find((name) => !isKind(name))
    return unknown === undefined
      ? Either.right(new Set(names.filter(isKind)))
      : Either.left(
          ConfigError.InvalidData([ON], `there is no alert "${unknown}": there are ${alertKinds.join(", ")}`),
        )
  }),
)

const webhook = Config.all([
  Config.option(Config.redacted(Config.nonEmptyString(WEBHOOK))),
  Config.option(Config.redacted(Config.nonEmptyString(SECRET))),
]).pipe(
  Config.mapOrFail(([url, secret]) => {
    if (Option.isNone(url)) return Either.right(Option.none())
    const text = Redacted.value(url.value)
    if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
      return Either.left(ConfigError.InvalidData([WEBHOOK], "it must be an http:// or https:// address"))
    }
    return Option.isNone(secret)
      ? Either.left(
          ConfigError.MissingData(
            [SECRET],
            `alerts to ${WEBHOOK} are signed with it: set it to a long random text`,
          ),
        )
      : Either.right(Option.some({ url: url.value, secret: secret.value }))
  }),
)

const log = Config.boolean(LOG).pipe(Config.withDefault(false))

export const alertSettings: Config.Config<AlertSettings> = Config.all({ asked, log, webhook })

/** A reactor for each target that is named. */
export const alertReactors = (settings: AlertSettings): ReadonlyArray<Reactor<Alert, AlertNotDelivered>> => {
  const toWebhook = Option.match(settings.webhook, {
    onNone: () => [],
    onSome: ({ url, secret }) => [
      webhookTarget({ url, secret, timeoutMs: TIMEOUT_MS, refusals: REFUSALS, now: Date.now }),
    ],
  })
  const targets = [...(settings.log ? [logTarget] : []), ...toWebhook]
  return targets.map((target) => alertReactor(target, settings.asked))
}
