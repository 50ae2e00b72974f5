import { Connection } from "../../dist/cli/loadgen/Connection.js"
import { KEY } from "./program.mjs"

const MOST = 64

/** Asks GraphQL over keep-alive connections, one question at a time on each. */
export class Asker {
  #head
  #connections
  #answered = new Map()

  constructor(url) {
    const { hostname, port, host } = new URL(url)
    this.#head =
      `POST /graphql HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${KEY}\r\n` +
      "Content-Type: application/json\r\nContent-Length: "
    const events = {
      onAnswer: (connection, answer) => this.#answered.get(connection)?.(answer),
      onLost: (connection) =>
        this.#answered.get(connection)?.({ status: 0, body: "the connection was lost" }),
    }
    this.#connections = Array.from({ length: MOST }, () => new Connection(hostname, Number(port), events))
  }

  /** Asks `times` questions over `lanes` connections; milliseconds of each, from sending to the whole answer. */
  async ask(times, makeBody, lanes) {
    const took = []
    let left = times
    const lane = async (connection) => {
      while (left > 0) {
        left--
        const body = makeBody()
        const began = performance.now()
        const { status, body: text } = await this.#send(connection, body)
        took.push(performance.now() - began)
        if (status !== 200 || text.includes('"errors":[')) throw new Error(`${status} ${text}`)
      }
    }
    const ends = await Promise.allSettled(this.#connections.slice(0, lanes).map(lane))
    for (const { reason } of ends) if (reason !== undefined) throw reason
    return took
  }

  #send(connection, body) {
    return new Promise((resolve) => {
      this.#answered.set(connection, resolve)
      connection.send(`${this.#head}${Buffer.byteLength(body)}\r\n\r\n${body}`)
    })
  }

  close() {
    this.#answered.clear()
    for (const connection of this.#connections) connection.close()
  }
}
