import { type ChildProcess, fork } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freeze } from "../freeze.js"

export interface ServerOptions {
  /** Events that may wait for a live subscriber before it is dropped. */
  readonly liveBuffer?: number
  /** A subscription that has caught up is told a checkpoint where the next event will lie, as by 25.0.0. */
  readonly checkpointAtEnd?: boolean
  readonly tls?: { readonly cert: string; readonly key: string }
  /** `name:password` that every call has to bring; needs TLS, as the client sends none without. */
  readonly user?: string
}

interface Counts {
  readonly openReads: number
  readonly reads: number
  readonly batches: number
  readonly appends: number
  readonly subscriptions: number
}

const program = fileURLToPath(new URL("./server.mjs", import.meta.url))

/**
 * The stand-in for EventStoreDB in a process of its own, on a directory that outlives it and a port that
 * stays the same. Owns all process control: start, stop, kill -9, freeze.
 */
export class EventStoreServer {
  private child: ChildProcess | undefined
  private readonly answers = new Map<number, (result: unknown) => void>()
  private asked = 0
  port = 0

  constructor(
    private readonly directory: string,
    private readonly options: ServerOptions = {},
  ) {}

  get connection(): string {
    const { tls, user } = this.options
    const query = tls === undefined ? "tls=false" : `tls=true&tlsCaFile=${encodeURIComponent(tls.cert)}`
    return `esdb://${user === undefined ? "" : `${user}@`}${tls === undefined ? "127.0.0.1" : "localhost"}:${this.port}?${query}`
  }

  async start(): Promise<void> {
    const { liveBuffer, checkpointAtEnd, tls, user } = this.options
    const child = fork(
      program,
      [
        "--file",
        join(this.directory, "events.jsonl"),
        "--port",
        String(this.port),
        ...(liveBuffer === undefined ? [] : ["--live-buffer", String(liveBuffer)]),
        ...(checkpointAtEnd === true ? ["--checkpoint-at-end"] : []),
        ...(tls === undefined ? [] : ["--cert", tls.cert, "--key", tls.key]),
        ...(user === undefined ? [] : ["--user", user]),
      ],
      { stdio: ["ignore", "pipe", "inherit", "ipc"], execArgv: [] },
    )
    this.child = child
    child.on("message", ({ id, result }: { id: number; result: unknown }) => {
      this.answers.get(id)?.(result)
      this.answers.delete(id)
    })
    this.port = await new Promise<number>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`the stand-in ended with ${code} before it listened`)))
      child.stdout?.on("data", (text: Buffer) => {
        const found = /listening on (\d+)/.exec(text.toString())
        if (found !== null) resolve(Number(found[1]))
      })
    })
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child
    this.child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once("exit", resolve))
    child.kill(signal)
    await ended
  }

  stop(): Promise<void> {
    return this.end("SIGTERM")
  }

  /** `kill -9`. */
  kill(): Promise<void> {
    return this.end("SIGKILL")
  }

  freeze(): void {
    freeze(this.child)
  }

  thaw(): void {
    this.child?.kill("SIGCONT")
  }

  private ask<A>(command: string, options: Record<string, unknown> = {}): Promise<A> {
    const id = ++this.asked
    return new Promise((resolve) => {
      this.answers.set(id, resolve as (result: unknown) => void)
      this.child?.send({ id, command, ...options })
    })
  }

  /** The next appends are stored and not answered: their call dies, or nothing ever comes. */
  loseReplies(count: number, how: "die" | "silent"): Promise<void> {
    return this.ask("loseReplies", { count, how })
  }

  /** How many there were. */
  endSubscriptions(how: "error" | "end" | "hang"): Promise<number> {
    return this.ask("endSubscriptions", { how })
  }

  endBatches(): Promise<void> {
    return this.ask("endBatches")
  }

  delay(ms: number): Promise<void> {
    return this.ask("delay", { ms })
  }

  counts(): Promise<Counts> {
    return this.ask("counts")
  }
}
