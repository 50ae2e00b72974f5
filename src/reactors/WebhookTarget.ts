import { createHmac } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { wireForm } from "./Alert.js"
import { AlertNotDelivered, type AlertTarget } from "./AlertTarget.js"

export interface WebhookOptions {
  readonly url: Redacted.Redacted
  readonly secret: Redacted.Redacted
  /** How long an answer is awaited, ms. */
  readonly timeoutMs: number
  /** After so many refusals of one alert it is given up. */
  readonly refusals: number
  readonly now: () => number
}

/** Longest pause that an answer can ask for, ms. */
const LONGEST_PAUSE_MS = 60_000

/**
 * The header `Tidemark-Signature`: `t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 of `SECONDS.BODY` with the secret. A
 * receiver makes the same of what it got, compares without telling how far it came, and refuses what is too old.
 */
export const signatureOf = (secret: string, seconds: number, body: string): string =>
  `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`

type Answer =
  | { readonly _tag: "Taken" }
  /** The receiver, or what is before it, will say the same again until somebody changes something. */
  | { readonly _tag: "Refused"; readonly reason: string }
  | { readonly _tag: "Away"; readonly reason: string; readonly pauseMs: number }

const REPEATABLE: ReadonlySet<number> = new Set([408, 425, 429])

const answerOf = (status: number, retryAfter: string | null): Answer => {
  if (status >= 200 && status < 300) return { _tag: "Taken" }
  const reason = `it answered ${status}`
  if (status < 500 && !REPEATABLE.has(status)) return { _tag: "Refused", reason }
  const seconds = Number(retryAfter ?? 0)
  return { _tag: "Away", reason, pauseMs: seconds > 0 ? Math.min(LONGEST_PAUSE_MS, seconds * 1_000) : 0 }
}

const post = async (
  options: WebhookOptions,
  id: string,
  body: string,
  aborted: AbortSignal,
): Promise<Answer> => {
  const { url, secret, timeoutMs, now } = options
  const answer = await fetch(Redacted.value(url), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "user-agent": "tidemark",
      "idempotency-key": id,
      "tidemark-signature": signatureOf(Redacted.value(secret), Math.floor(now() / 1_000), body),
    },
    body,
    // A secret's signature is not for whoever it is forwarded to.
    redirect: "manual",
    signal: AbortSignal.any([aborted, AbortSignal.timeout(timeoutMs)]),
  })
  await answer.body?.cancel()
  return answerOf(answer.status, answer.headers.get("retry-after"))
}

/** `fetch` hides in `cause` why it failed. */
const reasonOf = (failure: unknown): string => {
  const { name, message, cause } = failure as Error & { readonly cause?: { readonly code?: string } }
  return name === "TimeoutError" ? "no answer in time" : (cause?.code ?? message)
}

/**
 * Posts each alert as JSON. 2xx means taken; other answers below 500, but 408, 425 and 429, count as refusals: an alert
 * that is refused too often is given up, and goes to the log whole. Anything else is tried again for ever.
 */
export const webhookTarget = (options: WebhookOptions): AlertTarget => {
  const name = "webhook"
  /** Of the alert that is tried now: one follows the other. */
  let refused = { id: "", times: 0 }
  return {
    name,
    deliver: (id, alert) =>
      Effect.gen(function* () {
        const body = JSON.stringify(wireForm(id, alert))
        const notDelivered = (reason: string) => new AlertNotDelivered({ target: name, id, reason })
        const answer = yield* Effect.tryPromise({
          try: (aborted) => post(options, id, body, aborted),
          catch: (failure) => notDelivered(reasonOf(failure)),
        })
        if (answer._tag === "Taken") return
        if (answer._tag === "Refused") {
          refused = { id, times: refused.id === id ? refused.times + 1 : 1 }
          if (refused.times < options.refusals) return yield* notDelivered(answer.reason)
          yield* Effect.logError(
            `the webhook refused an alert ${refused.times} times (${answer.reason}): given up`,
          ).pipe(Effect.annotateLogs({ alert: body }))
          return
        }
        if (answer.pauseMs > 0) yield* Effect.sleep(answer.pauseMs)
        return yield* notDelivered(answer.reason)
      }),
  }
}
