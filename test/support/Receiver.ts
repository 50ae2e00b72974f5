import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Received {
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

/** What a receiver does with a request; the next one is for the next request, the last one for all that follow. */
export type Behaviour = (response: ServerResponse, received: Received) => void

export const answer =
  (status: number, body: unknown = {}, headers: Record<string, string> = {}): Behaviour =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers })
    response.end(typeof body === "string" ? body : JSON.stringify(body))
  }

/** Answers nothing, ever. */
export const hang: Behaviour = () => {}

/** Cuts the connection. */
export const cut: Behaviour = (response) => void response.socket?.destroy()

/** A real HTTP server that does with its requests what a test says, and keeps them. */
export class Receiver {
  readonly received: Received[] = []
  private server: Server | undefined
  port = 0

  constructor(private behaviours: ReadonlyArray<Behaviour> = [answer(200)]) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  behave(...behaviours: ReadonlyArray<Behaviour>): void {
    this.behaviours = behaviours
  }

  /** On the port it had before, if it had one. */
  async open(): Promise<this> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const body = Buffer.concat(chunks).toString()
        const received = { path: request.url ?? "", headers: request.headers, body }
        this.received.push(received)
        const [behaviour, ...more] = this.behaviours
        if (more.length > 0) this.behaviours = more
        behaviour?.(response, received)
      })
    })
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve))
    this.port = (server.address() as AddressInfo).port
    this.server = server
    return this
  }

  async close(): Promise<void> {
    const { server } = this
    this.server = undefined
    if (server === undefined) return
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}
