import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http"
import { Agent as HttpsAgent, request as httpsRequest } from "node:https"

export interface HttpAnswer {
  readonly status: number
  readonly body: string
  /** Seconds that the server asks to wait; undefined when it doesn't say. */
  readonly retryAfter: number | undefined
}

const textOf = async (answer: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

const seconds = (header: string | undefined): number | undefined => {
  const value = Number(header)
  return header !== undefined && header !== "" && Number.isFinite(value) && value >= 0 ? value : undefined
}

/** Keep-alive connections to one server, over http or https. */
export class Http {
  private readonly agent: HttpAgent
  private readonly base: URL

  /**
   * @param url of the server, such as `http://127.0.0.1:4000`; a path is put before those of requests
   * @param timeoutMs how long a connection may be silent before the request fails
   */
  constructor(
    url: string,
    private readonly key: string,
    private readonly timeoutMs: number,
  ) {
    if (!URL.canParse(url)) throw new Error(`"${url}" is not an address such as http://127.0.0.1:4000`)
    this.base = new URL(url)
    if (this.base.protocol !== "http:" && this.base.protocol !== "https:") {
      throw new Error(`"${url}" is neither an http:// nor an https:// address`)
    }
    const options = { keepAlive: true }
    this.agent = this.base.protocol === "https:" ? new HttpsAgent(options) : new HttpAgent(options)
  }

  /** Rejects when the connection fails, or `signal` aborts it, before the whole answer is there. */
  post(path: string, type: string, body: string, signal?: AbortSignal): Promise<HttpAnswer> {
    const bytes = Buffer.from(body, "utf8")
    const send = this.base.protocol === "https:" ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const request = send(
        new URL(this.base.pathname.replace(/\/$/, "") + path, this.base),
        {
          method: "POST",
          agent: this.agent,
          headers: {
            Authorization: `Bearer ${this.key}`,
            "Content-Type": type,
            "Content-Length": bytes.length,
          },
          ...(signal === undefined ? {} : { signal }),
        },
        (answer) => {
          textOf(answer).then(
            (text) =>
              resolve({
                status: answer.statusCode ?? 0,
                body: text,
                retryAfter: seconds(answer.headers["retry-after"]),
              }),
            reject,
          )
        },
      )
      request.setTimeout(this.timeoutMs, () =>
        request.destroy(new Error(`no answer for ${this.timeoutMs / 1_000} s`)),
      )
      request.on("error", reject)
      request.end(bytes)
    })
  }

  close(): void {
    this.agent.destroy()
  }
}
