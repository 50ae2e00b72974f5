import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freeze } from "./freeze.js"
import { storesOf } from "./stores.js"
import { type Temporary, temporary } from "./temporary.js"
import { until } from "./until.js"

export const projectRoot = fileURLToPath(new URL("../..", import.meta.url))

export const ADMIN_KEY = "test-admin-key"

/** A data directory; the stores that a program on it uses go with it. */
export const temporaryDirectory = (): Temporary => {
  const { path, remove } = temporary()
  return {
    path,
    remove: () => {
      void storesOf(path).close()
      remove()
    },
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any
}

/**
 * The real program in a process of its own, on a data directory that outlives it. Owns all process
 * control: start, stop, kill -9, freeze.
 */
export class TidemarkProcess {
  private child: ChildProcess | undefined
  private output = ""
  port = 0

  constructor(
    readonly dataDir: string,
    private readonly env: Readonly<Record<string, string>> = {},
    private readonly wrapper: ReadonlyArray<string> = [],
    /** Where the program is that runs. */
    private readonly root = projectRoot,
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get pid(): number {
    if (this.child?.pid === undefined) throw new Error("not running")
    return this.child.pid
  }

  get log(): string {
    return this.output
  }

  /** Resolves when `/readyz` says so; returns how long that took, in ms. A real EventStoreDB may be full of others' events. */
  async start(deadlineMs = process.env.EVENTSTOREDB_URL === undefined ? 30_000 : 180_000): Promise<number> {
    const stores = await storesOf(this.dataDir).environment()
    const began = performance.now()
    const command = [...this.wrapper, process.execPath, join(this.root, "bin", "tidemark.mjs"), "serve"]
    const child = spawn(command[0] as string, command.slice(1), {
      cwd: this.root,
      env: {
        ...process.env,
        TIDEMARK_ADMIN_KEY: ADMIN_KEY,
        TIDEMARK_SECRET: "test-secret",
        TIDEMARK_DATA_DIR: this.dataDir,
        TIDEMARK_PORT: String(this.port),
        ...stores,
        ...this.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    })
    this.child = child
    this.output = ""
    let exited: string | undefined
    child.on("exit", (code, signal) => (exited = `exit code ${code}, signal ${signal}`))
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8")
      stream?.on("data", (text: string) => (this.output = (this.output + text).slice(-200_000)))
    }
    await until("ready", deadlineMs, async () => {
      if (exited !== undefined)
        throw new Error(`tidemark ended before it was ready: ${exited}\n${this.output}`)
      this.port = Number(/http:\/\/127\.0\.0\.1:(\d+)/.exec(this.output)?.[1] ?? this.port)
      if (this.port === 0) return false
      const ready = await fetch(`${this.url}/readyz`).catch(() => undefined)
      return ready?.status === 200
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.output}`)
    })
    return performance.now() - began
  }

  private ended(): Promise<void> {
    const child = this.child
    this.child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
    return new Promise((resolve) => child.once("exit", () => resolve()))
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    const child = this.child
    const ended = this.ended()
    child?.kill("SIGKILL")
    await ended
  }

  /** SIGTERM, and waits for the graceful end. */
  async stop(): Promise<void> {
    const child = this.child
    const ended = this.ended()
    child?.kill("SIGTERM")
    await ended
  }

  freeze(): void {
    freeze(this.child)
  }

  thaw(): void {
    this.child?.kill("SIGCONT")
  }

  async request(
    method: string,
    path: string,
    options: { body?: BodyInit; headers?: Record<string, string>; key?: string | null } = {},
  ): Promise<Answer> {
    const { body, headers, key = ADMIN_KEY } = options
    const answer = await fetch(this.url + path, {
      method,
      headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers },
      ...(body === undefined ? {} : { body }),
    })
    const text = await answer.text()
    let parsed: unknown = text
    try {
      parsed = JSON.parse(text)
    } catch {
      // Not every answer is JSON: the text itself is what the test looks at.
    }
    return { status: answer.status, headers: answer.headers, body: parsed }
  }

  send(events: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request("POST", "/v1/events", {
      body: JSON.stringify(events),
      headers: { "content-type": "application/json", ...headers },
    })
  }

  // biome-ignore lint/suspicious/noExplicitAny: the shape follows the query
  async graphql(query: string, variables: Record<string, unknown> = {}, key?: string | null): Promise<any> {
    const answer = await this.request("POST", "/graphql", {
      body: JSON.stringify({ query, variables }),
      headers: { "content-type": "application/json" },
      ...(key === undefined ? {} : { key }),
    })
    if (answer.body?.errors !== undefined) throw new Error(JSON.stringify(answer.body.errors))
    return answer.body.data
  }
}
