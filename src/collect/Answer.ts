import type { ServerResponse } from "node:http"
import type { RejectedEntry } from "./Rejection.js"

const JSON_TYPE = "application/json; charset=utf-8"

/** An answer that is about the request as a whole. */
export interface Refused {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  /** The field and the event that caused it, if one did. */
  readonly path?: string
  readonly index?: number
  /** Names and values in turn, such as `["Retry-After", "1"]`. */
  readonly headers?: ReadonlyArray<string>
}

export const errorBody = ({ code, message, retryable, path, index }: Refused): string =>
  JSON.stringify({ error: { code, message, retryable, path, index } })

/** Head and body leave in one write. */
export const sendJson = (
  res: ServerResponse,
  status: number,
  body: string,
  headers?: ReadonlyArray<string>,
): void => {
  const all = ["Content-Type", JSON_TYPE, "Content-Length", String(Buffer.byteLength(body))]
  if (headers !== undefined) all.push(...headers)
  res.writeHead(status, all)
  res.end(body)
}

/** Position is a decimal number in a string, so it needs no escaping; null when the log was not asked. */
export const outcomeBody = (
  accepted: number,
  duplicates: number,
  rejected: ReadonlyArray<RejectedEntry>,
  position: string | undefined,
): string =>
  `{"accepted":${accepted},"duplicates":${duplicates},"rejected":${
    rejected.length === 0 ? "[]" : JSON.stringify(rejected)
  },"position":${position === undefined ? "null" : `"${position}"`}}`
