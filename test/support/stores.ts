import { randomUUID } from "node:crypto"
import { dropDatabase, MongoServer, withDatabase } from "./MongoServer.js"

/**
 * Which stores the program runs on in this run of the tests: `TIDEMARK_TEST_READ_MODELS` is `embedded` (the
 * default) or `mongodb`, for the server that `MONGODB_URL` names, or else one that the tests start.
 */
const readModels = process.env.TIDEMARK_TEST_READ_MODELS ?? "embedded"
if (readModels !== "embedded" && readModels !== "mongodb") {
  throw new Error(`TIDEMARK_TEST_READ_MODELS: "${readModels}" is neither "embedded" nor "mongodb"`)
}

/** How much longer than embedded ones these stores may take: the one that stands in for MongoDB is slow. */
export const patience = readModels === "mongodb" ? 10 : 1

/** The stores of one program on one data directory. */
export class TestStores {
  private server: MongoServer | undefined
  private url: string | undefined

  /** As `environment`, for a command beside a program that was started. */
  get known(): Readonly<Record<string, string>> {
    return this.url === undefined ? {} : { TIDEMARK_READ_MODELS: this.url }
  }

  /** What the program finds in its environment; starts servers when first asked. */
  async environment(): Promise<Readonly<Record<string, string>>> {
    if (readModels === "embedded") return {}
    if (this.url === undefined) {
      if (process.env.MONGODB_URL === undefined) {
        this.server = new MongoServer()
        await this.server.start()
      }
      const server = process.env.MONGODB_URL ?? this.server?.url ?? ""
      this.url = withDatabase(server, `test-${randomUUID().slice(0, 13)}`)
    }
    return this.known
  }

  async close(): Promise<void> {
    if (this.url !== undefined && this.server === undefined) await dropDatabase(this.url)
    await this.server?.close()
    this.server = undefined
    this.url = undefined
  }
}

const all = new Map<string, TestStores>()

/** Those of a data directory: the program and the commands that work beside it share them. */
export const storesOf = (dataDir: string): TestStores => {
  const known = all.get(dataDir) ?? new TestStores()
  all.set(dataDir, known)
  return known
}
