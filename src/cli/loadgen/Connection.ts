import { connect, type Socket } from "node:net"

/** An answer as far as a load generator cares. */
export interface Answer {
  readonly status: number
  readonly body: string
  /** Seconds; undefined when the answer didn't say. */
  readonly retryAfter: number | undefined
}

export interface ConnectionEvents {
  readonly onAnswer: (connection: Connection, answer: Answer) => void
  /** The connection is gone; `pending` says whether a request is left without an answer. */
  readonly onLost: (connection: Connection, pending: boolean) => void
}

const HEAD_END = "\r\n\r\n"

const headerValue = (head: string, name: string): string | undefined => {
  const lower = head.toLowerCase()
  const at = lower.indexOf(`\r\n${name}:`)
  if (at < 0) return undefined
  const from = at + name.length + 3
  const end = head.indexOf("\r\n", from)
  return head.slice(from, end < 0 ? undefined : end).trim()
}

/** Where the value of Content-Length begins, in the way that node:http writes it. */
const LENGTH = "Content-Length: "

/**
 * One keep-alive connection of HTTP/1.1 with one request at a time, on a bare socket: a client library costs
 * more than the server that is to be measured. Reads answers that have a Content-Length.
 */
export class Connection {
  private socket: Socket | undefined
  private ready = false
  private pending = false
  private text = ""
  private next: string | undefined

  constructor(
    private readonly host: string,
    private readonly port: number,
    private readonly events: ConnectionEvents,
  ) {}

  /** Sends a whole request, in Latin-1 characters only; connects first when needed. */
  send(request: string): void {
    this.pending = true
    if (this.ready && this.socket !== undefined) {
      this.socket.write(request, "latin1")
      return
    }
    this.next = request
    if (this.socket === undefined) this.open()
  }

  close(): void {
    const socket = this.socket
    this.socket = undefined
    this.ready = false
    socket?.destroy()
  }

  private open(): void {
    const socket = connect(this.port, this.host)
    this.socket = socket
    this.text = ""
    socket.setNoDelay(true)
    socket.on("connect", () => {
      this.ready = true
      if (this.next !== undefined) socket.write(this.next, "latin1")
      this.next = undefined
    })
    socket.on("data", (chunk) => this.read(chunk))
    socket.on("error", () => {})
    socket.on("close", () => {
      if (this.socket !== socket) return
      this.socket = undefined
      this.ready = false
      const pending = this.pending
      this.pending = false
      this.next = undefined
      this.events.onLost(this, pending)
    })
  }

  private read(chunk: Buffer): void {
    const received = chunk.toString("latin1")
    this.text = this.text === "" ? received : this.text + received
    const text = this.text
    const headEnd = text.indexOf(HEAD_END)
    if (headEnd < 0) return
    const at = text.indexOf(LENGTH)
    const length =
      at >= 0 && at < headEnd
        ? Number.parseInt(text.slice(at + LENGTH.length, at + LENGTH.length + 10), 10)
        : Number(headerValue(text.slice(0, headEnd), "content-length") ?? Number.NaN)
    const status = Number.parseInt(text.slice(9, 12), 10)
    if (Number.isNaN(length) || Number.isNaN(status)) {
      // Not an answer that can be delimited: start again on another connection.
      this.socket?.destroy()
      return
    }
    const end = headEnd + HEAD_END.length + length
    if (text.length < end) return
    this.text = ""
    this.pending = false
    const body = text.slice(headEnd + HEAD_END.length, end)
    if (status === 202) {
      this.events.onAnswer(this, { status, body, retryAfter: undefined })
      return
    }
    const head = text.slice(0, headEnd)
    if (headerValue(head, "connection")?.toLowerCase() === "close") this.close()
    const after = Number(headerValue(head, "retry-after"))
    this.events.onAnswer(this, { status, body, retryAfter: Number.isFinite(after) ? after : undefined })
  }
}
