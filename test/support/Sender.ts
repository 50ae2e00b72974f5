import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http"
import type { Random } from "./Seed.js"

export interface SentEvent {
  readonly id: string
  readonly type: string
  readonly merchantId: string
  readonly clientId?: string
  readonly timestamp: number
  readonly url?: string
  readonly amount?: number
  readonly currency?: string
  readonly paymentMethod?: string
}

const types = [
  "pageview",
  "pageview",
  "pageview",
  "pageview",
  "payment",
  "payment",
  "refund",
  "signup",
  "request",
]
const currencies = ["USD", "USD", "EUR", "JPY"]
const methods = ["card", "cash", undefined]

/** A random event of one of a few merchants, at a random time of the last `days` days. */
export const randomEvent = (random: Random, id: string, now: number, days = 30): SentEvent => {
  const type = random.pick(types)
  const paid = type === "payment" || type === "refund"
  const method = paid ? random.pick(methods) : undefined
  return {
    id,
    type,
    merchantId: `m-${random.integer(20)}`,
    ...(type === "request" || random.integer(4) > 0 ? { clientId: `c-${random.integer(300)}` } : {}),
    timestamp: now - random.integer(days * 86_400_000),
    ...(type === "pageview" || type === "request" ? { url: `/page/${random.integer(40)}` } : {}),
    ...(paid ? { amount: random.integer(100_000), currency: random.pick(currencies) } : {}),
    ...(method === undefined ? {} : { paymentMethod: method }),
  }
}

export interface Outcome {
  readonly status: number
  readonly accepted: number
  readonly duplicates: number
  readonly rejected: number
  /** What a refusal says. */
  readonly text?: string
}

/**
 * Sends batches over keep-alive connections of its own. `undefined` where no answer came: the batch may
 * or may not have been stored.
 */
export class Sender {
  private readonly agent: Agent

  constructor(
    private readonly url: () => string,
    private readonly key: string,
    connections: number,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  send(events: ReadonlyArray<unknown>): Promise<Outcome | undefined> {
    return new Promise((resolve) => {
      const [sending, body] = this.request(events)
      sending.on("response", (answer: IncomingMessage) => {
        let text = ""
        answer.setEncoding("utf8")
        answer.on("data", (part: string) => (text += part))
        answer.on("error", () => resolve(undefined))
        answer.on("end", () => {
          const status = answer.statusCode ?? 0
          if (status !== 202) return resolve({ status, accepted: 0, duplicates: 0, rejected: 0, text })
          const parsed = JSON.parse(text) as {
            accepted: number
            duplicates: number
            rejected: Array<unknown>
          }
          resolve({
            status,
            accepted: parsed.accepted,
            duplicates: parsed.duplicates,
            rejected: parsed.rejected.length,
          })
        })
      })
      sending.on("error", () => resolve(undefined))
      sending.end(body)
    })
  }

  /** Sends, and hangs up as soon as everything is on its way. */
  sendUnheard(events: ReadonlyArray<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const [sending, body] = this.request(events)
      sending.on("error", () => resolve())
      sending.on("close", () => resolve())
      sending.end(body, () => sending.destroy())
    })
  }

  private request(events: ReadonlyArray<unknown>): readonly [ClientRequest, string] {
    const body = JSON.stringify(events)
    const sending = request(`${this.url()}/v1/events`, {
      method: "POST",
      agent: this.agent,
      headers: {
        authorization: `Bearer ${this.key}`,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      },
    })
    return [sending, body]
  }

  close(): void {
    this.agent.destroy()
  }
}
