import type { IncomingMessage, ServerResponse } from "node:http"
import type { Refused } from "./Answer.js"
import { errorBody, sendJson } from "./Answer.js"

/** Unread bodies up to this size are read to their end, and the connection stays open. */
const CHEAP_TO_READ = 64 * 1024
/** What is thrown away, and for how long, so that the sender gets to read the answer. */
const MOST_DRAINED = 32 * 1024 * 1024
const LONGEST_DRAIN_MS = 5_000

const remaining = (req: IncomingMessage): number => {
  if (req.complete) return 0
  const length = req.headers["content-length"]
  return length === undefined ? Number.POSITIVE_INFINITY : Number(length)
}

/**
 * Answers a request whose body may still be coming. Closing a connection with unread bytes resets it, and
 * the sender would never see the answer: so the answer goes out whole, then what still comes is read and
 * thrown away, within limits, and only then the connection is closed.
 */
export const refuseEarly = (req: IncomingMessage, res: ServerResponse, refused: Refused): void => {
  const body = errorBody(refused)
  if (refused.status === 408) {
    // The sender is slow: waiting for the rest would only go on holding the connection.
    sendJson(res, refused.status, body, ["Connection", "close"])
    return
  }
  if (remaining(req) <= CHEAP_TO_READ) {
    sendJson(res, refused.status, body, refused.headers)
    req.resume()
    return
  }
  res.writeHead(refused.status, [
    "Content-Type",
    "application/json; charset=utf-8",
    "Content-Length",
    String(Buffer.byteLength(body)),
    "Connection",
    "close",
    ...(refused.headers ?? []),
  ])
  res.write(body)
  let drained = 0
  const end = () => {
    clearTimeout(timer)
    if (!res.writableEnded) res.end()
  }
  const timer = setTimeout(end, LONGEST_DRAIN_MS)
  timer.unref()
  req.on("data", (chunk: Buffer) => {
    drained += chunk.length
    if (drained > MOST_DRAINED) end()
  })
  req.on("end", end)
  req.on("close", end)
  req.resume()
}
