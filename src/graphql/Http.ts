import type { IncomingMessage, ServerResponse } from "node:http"

/** Bytes of a request's body, over HTTP and in one WebSocket message. */
export const MAX_BODY = 256 * 1024

export type Body =
  | { readonly _tag: "Read"; readonly bytes: Buffer }
  | { readonly _tag: "TooLarge" }
  | { readonly _tag: "Gone" }

/** Reads the body up to the limit. What comes after that is thrown away as it arrives. */
export const readBody = (req: IncomingMessage, done: (body: Body) => void): void => {
  // The one who asked may have gone before anyone listened.
  if (req.destroyed) {
    done({ _tag: "Gone" })
    return
  }
  if (Number(req.headers["content-length"] ?? 0) > MAX_BODY) {
    req.resume()
    done({ _tag: "TooLarge" })
    return
  }
  const chunks: Array<Buffer> = []
  let size = 0
  let ended = false
  const end = (body: Body): void => {
    if (ended) return
    ended = true
    done(body)
  }
  req.on("data", (chunk: Buffer) => {
    size += chunk.length
    if (size <= MAX_BODY) chunks.push(chunk)
    else {
      chunks.length = 0
      end({ _tag: "TooLarge" })
    }
  })
  req.on("end", () => end({ _tag: "Read", bytes: Buffer.concat(chunks) }))
  req.on("error", () => end({ _tag: "Gone" }))
  req.on("close", () => end({ _tag: "Gone" }))
}

/** Errors that come before GraphQL, in the form of GraphQL's. */
export const sendError = (
  res: ServerResponse,
  status: number,
  error: { readonly code: string; readonly message: string; readonly limit?: number },
): void => {
  const { message, ...extensions } = error
  const text = JSON.stringify({ errors: [{ message, extensions }] })
  res.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
    // What was not read of the body would be taken for the next request.
    ...(status === 413 ? { connection: "close" } : {}),
  })
  res.end(text)
}

const drained = (res: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      res.off("drain", done)
      res.off("close", done)
      resolve()
    }
    res.on("drain", done)
    res.on("close", done)
  })

/**
 * Writes a fetch response. A stream is read only as fast as the client takes it, and is cancelled when the
 * client goes.
 */
export const writeResponse = async (response: Response, res: ServerResponse): Promise<void> => {
  const headers = Object.fromEntries(response.headers.entries())
  const streams = response.headers.get("content-type")?.startsWith("text/event-stream") === true
  if (!streams || response.body === null) {
    const text = await response.text()
    res.writeHead(response.status, { ...headers, "content-length": Buffer.byteLength(text) })
    res.end(text)
    return
  }
  res.writeHead(response.status, headers)
  const reader = response.body.getReader()
  const gone = (): void => {
    reader.cancel().catch(() => {})
  }
  res.once("close", gone)
  if (res.destroyed) gone()
  for (;;) {
    const { done, value } = await reader.read()
    if (done || res.destroyed) break
    if (!res.write(value)) await drained(res)
  }
  res.off("close", gone)
  res.end()
}
