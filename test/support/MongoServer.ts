import { type ChildProcess, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import * as Redacted from "effect/Redacted"
import { MongoClient } from "mongodb"
import { freeze } from "./freeze.js"
import { temporary } from "./temporary.js"
import { until } from "./until.js"

const program = process.env.TIDEMARK_TEST_MONGO_PROGRAM
const named = process.env.MONGODB_URL

/** Whether tests have a server, and one that they may kill. */
export const hasMongo = named !== undefined || program !== undefined
export const hasOwnMongo = program !== undefined

/** A MongoDB-protocol server in a process of its own, on files that outlive it. */
export class MongoServer {
  private child: ChildProcess | undefined
  /** The same after each start. */
  port = 0
  private readonly directory = temporary()

  get url(): string {
    return `mongodb://127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    if (program === undefined) throw new Error("no server to start")
    const child = spawn(program, [
      "-directory",
      `${this.directory.path}/`,
      "-listen",
      `127.0.0.1:${this.port}`,
    ])
    this.child = child
    process.once("exit", () => child.kill("SIGKILL"))
    let output = ""
    let said = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-4_000)))
    }
    child.stdout.on("data", (text: Buffer) => (output += text.toString()))
    child.once("exit", (code, signal) => {
      // What fails because of it would say something else.
      if (this.child === child) console.error(`the MongoDB-protocol server ended: ${code ?? signal}\n${said}`)
    })
    await until("the MongoDB-protocol server listens", 10_000, () => {
      this.port = Number(/:(\d+)\//.exec(output)?.[1] ?? this.port)
      return output.includes("mongodb://")
    })
  }

  async kill(): Promise<void> {
    const child = this.child
    this.child = undefined
    if (child === undefined || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once("exit", resolve))
    child.kill("SIGKILL")
    await ended
  }

  freeze(): void {
    freeze(this.child)
  }

  thaw(): void {
    this.child?.kill("SIGCONT")
  }

  async close(): Promise<void> {
    await this.kill()
    this.directory.remove()
  }
}

/** The server that is named, or one that this test file starts. */
export const mongoForTests = () => {
  const own = named === undefined ? new MongoServer() : undefined
  return {
    start: async () => own?.start(),
    close: async () => own?.close(),
    /** A connection string of a database that nobody else uses. */
    database: (): string => withDatabase(named ?? own?.url ?? "", `test-${randomUUID().slice(0, 13)}`),
  }
}

/** The same server and the same user: without a word about it, a user is looked for in the database that is named. */
export const withDatabase = (url: string, database: string): string => {
  const [, server = "", , options = ""] = /^([^:]+:\/\/[^/?]+)(\/[^?]*)?(\?.*)?$/.exec(url) ?? []
  const source = new MongoClient(url).options.credentials?.source
  // Names of services say it themselves, in their TXT record.
  const login =
    source === undefined || url.startsWith("mongodb+srv:") || /[?&]authsource=/i.test(options)
      ? ""
      : `${options === "" ? "?" : "&"}authSource=${encodeURIComponent(source)}`
  return `${server}/${database}${options}${login}`
}

export const redacted = (url: string) => Redacted.make(url)

export const dropDatabase = async (url: string): Promise<void> => {
  const client = new MongoClient(url)
  await client.db().dropDatabase()
  await client.close()
}
