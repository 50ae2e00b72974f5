import type { Incoming } from "../../../src/actors/Recorder.js"
import { Identity } from "../../../src/collect/Identity.js"
import { type ParseContext, parseEvent } from "../../../src/collect/parseEvent.js"
import { Rejection } from "../../../src/collect/Rejection.js"

export const NOW = Date.UTC(2026, 10, 20, 18, 40)
export const secret = Buffer.from("a secret of the tests")

export const context = (changes: Partial<ParseContext> = {}): ParseContext => ({
  identity: new Identity(secret, "daily"),
  now: NOW,
  ahead: 300_000,
  merchantId: undefined,
  idempotencyKey: undefined,
  randomId: () => "random",
  ...changes,
})

export const parse = (event: unknown, changes: Partial<ParseContext> = {}): Incoming | Rejection =>
  parseEvent(event, 0, context(changes))

export const good = (event: unknown, changes: Partial<ParseContext> = {}): Incoming => {
  const parsed = parse(event, changes)
  if (parsed instanceof Rejection) throw new Error(`${parsed.code} ${parsed.path}: ${parsed.message}`)
  return parsed
}

export const bad = (event: unknown, changes: Partial<ParseContext> = {}): Rejection => {
  const parsed = parse(event, changes)
  if (!(parsed instanceof Rejection)) throw new Error(`taken: ${JSON.stringify(parsed)}`)
  return parsed
}
