import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"

/** `request`: it never reaches the server. `answer`: the server did it, and nobody is told. */
export type Lost = "request" | "answer"

interface Rule {
  /** How the command begins in BSON, such as `update` of the collection `heads`. */
  readonly pattern: RegExp
  readonly lost: Lost
  left: number
}

/** A text in BSON: its name, its length, the text. */
const command = (verb: string, collection: string): RegExp =>
  new RegExp(`\\x02${verb}\\x00[^]{4}${collection}\\x00`)

/** Steps of a commit, as the adapter takes them. */
export const STEPS = {
  journal: command("insert", "journal"),
  documents: command("update", "b\\d+\\.[A-Za-z]+"),
  head: command("update", "heads"),
} as const

/**
 * Stands between a program and its MongoDB-protocol server, and breaks the connection at commands that a test
 * names. It knows messages by their length in front, and looks for the command's first bytes in each.
 */
export class MongoProxy {
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  private rules: Array<Rule> = []
  /** How many messages were broken off. */
  broken = 0

  constructor(private readonly target: number) {
    this.server = createServer((client) => this.serve(client))
  }

  get url(): string {
    return `mongodb://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve))
  }

  /** The next `count` messages with this command lose their request or their answer, and their connection. */
  lose(step: keyof typeof STEPS, lost: Lost, count: number): void {
    this.rules.push({ pattern: STEPS[step], lost, left: count })
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private ruleFor(message: Buffer): Rule | undefined {
    if (this.rules.length === 0) return undefined
    const text = message.toString("latin1")
    const found = this.rules.find(({ left, pattern }) => left > 0 && pattern.test(text))
    if (found === undefined) return undefined
    found.left--
    this.broken++
    this.rules = this.rules.filter(({ left }) => left > 0)
    return found
  }

  private serve(client: Socket): void {
    const upstream = connect(this.target, "127.0.0.1")
    const end = () => {
      for (const socket of [client, upstream]) {
        socket.destroy()
        this.sockets.delete(socket)
      }
    }
    for (const socket of [client, upstream]) {
      this.sockets.add(socket)
      socket.setNoDelay(true)
      // Either side may be killed: the other one sees it end.
      socket.on("error", end)
      socket.on("close", end)
    }
    let waiting = Buffer.alloc(0)
    let isMute = false
    client.on("data", (some) => {
      waiting = Buffer.concat([waiting, some])
      while (waiting.length >= 4 && waiting.length >= waiting.readInt32LE(0)) {
        const message = waiting.subarray(0, waiting.readInt32LE(0))
        waiting = waiting.subarray(message.length)
        const rule = this.ruleFor(message)
        if (rule?.lost === "request") return end()
        if (rule?.lost === "answer") isMute = true
        upstream.write(message)
      }
    })
    upstream.on("data", (some) => {
      if (isMute) return end()
      client.write(some)
    })
  }
}
