import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { threadUrl } from "../../threads/threadUrl.js"
import { KeyStore, type KeyStoreService, KeyStoreUnavailable } from "../KeyStore.js"
import { KeyFile } from "./KeyFile.js"
import { type Answer, type Request, unpack } from "./KeyMessages.js"

type Keys = Array<Buffer | undefined>
type Settle = (result: Effect.Effect<Keys, KeyStoreUnavailable>) => void

/** The key store's thread, as seen from outside: requests by number, each answered once. */
class Thread {
  private readonly worker: Worker
  private readonly exited: Promise<void>
  private readonly pending = new Map<number, Settle>()
  private next = 0
  private stopped: string | undefined

  constructor(directory: string) {
    this.worker = new Worker(threadUrl("./keyStoreThread.js", import.meta.url), { workerData: { directory } })
    this.worker.on("message", (answer: Answer) => {
      const settle = this.pending.get(answer.number)
      this.pending.delete(answer.number)
      settle?.(
        "keys" in answer
          ? Effect.succeed(unpack(answer.keys))
          : Effect.fail(
              new KeyStoreUnavailable({ reason: `the key store could not write: ${answer.failed}` }),
            ),
      )
    })
    this.worker.on("error", (error) => this.stop(`the key store's thread failed: ${String(error)}`))
    this.exited = new Promise((resolve) => {
      this.worker.on("exit", () => {
        this.stop("the key store's thread has ended")
        resolve()
      })
    })
  }

  /** SQLite lets go of its files with the last statement, which may be when the thread ends: who copies them waits. */
  readonly close: Effect.Effect<void> = Effect.suspend(() =>
    Effect.zipRight(
      Effect.ignore(this.ask("close", [])),
      Effect.promise(() => this.exited),
    ),
  )

  ask(kind: Request["kind"], clients: ReadonlyArray<string>): Effect.Effect<Keys, KeyStoreUnavailable> {
    return Effect.async((resume: Settle) => {
      if (this.stopped !== undefined)
        return resume(Effect.fail(new KeyStoreUnavailable({ reason: this.stopped })))
      const number = this.next++
      this.pending.set(number, resume)
      this.worker.postMessage({ number, kind, clients } satisfies Request)
    })
  }

  private stop(reason: string): void {
    this.stopped ??= `${reason}; restart the program`
    const left = [...this.pending.values()]
    this.pending.clear()
    for (const settle of left) settle(Effect.fail(new KeyStoreUnavailable({ reason: this.stopped })))
  }
}

/**
 * Keys in `keys.sqlite` in the directory, written by a thread of their own: the commit is synced to disk
 * before a key is given out.
 */
export const make = (options: { readonly directory: string }) =>
  Effect.gen(function* () {
    const thread = yield* Effect.acquireRelease(
      Effect.sync(() => new Thread(options.directory)),
      (thread) => thread.close,
    )
    yield* thread.ask("find", [])
    const service: KeyStoreService = {
      ensure: (clientKeys) => thread.ask("ensure", clientKeys),
      find: (clientKeys) => thread.ask("find", clientKeys),
      forget: (clientKey) => Effect.asVoid(thread.ask("forget", [clientKey])),
    }
    return service
  })

export const layer = (options: { readonly directory: string }) => Layer.scoped(KeyStore, make(options))

/** Finds keys from another thread or process, at once; never makes or forgets one. The store must exist. */
export const openReader = (directory: string) => {
  const file = new KeyFile(directory, "read")
  return {
    find: (clientKeys: ReadonlyArray<string>): Keys =>
      clientKeys.map((client) => {
        const secret = file.find(client)
        return secret === null || secret === undefined ? undefined : Buffer.from(secret)
      }),
    close: () => file.close(),
  }
}
