import { type FileHandle, stat } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { Interrupted } from "../client/EventSender.js"
import { firstLineIn } from "./Generation.js"

/** How the reading of a log's current file ended. */
export type Ended =
  /** Another file, or none, has its name; nothing more came for a while. */
  | "renamed"
  /** It was emptied, and perhaps written to again: what was not read is in a copy, if anywhere. */
  | "truncated"

export interface LiveOptions {
  /** The log's name, which may come to mean another file. */
  readonly file: string
  readonly handle: FileHandle
  readonly firstLine: string
  /** How long a file that was renamed has to be quiet: the web server goes on writing to it until it opens the new one. */
  readonly settleMs: number
  readonly pollMs: number
  readonly signal: AbortSignal
  readonly onEnd: (ended: Ended) => void
}

const CHUNK = 256 * 1024
const NOTHING = Buffer.alloc(0)

/**
 * The bytes of a file that is being written to, from a place on, until it is rotated or `signal` aborts. An empty chunk
 * stands for "no more for now".
 *
 * @throws Interrupted when the file was truncated
 */
export const liveChunks = async function* (
  from: number,
  options: LiveOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const { file, handle, firstLine, settleMs, pollMs, signal, onEnd } = options
  const { ino, dev } = await handle.stat()
  let offset = from
  /** When another file was seen under the name, and nothing has come since. */
  let noticed: number | undefined
  while (!signal.aborted) {
    const { size, ctimeMs } = await handle.stat()
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(0, size - offset)))
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset)
    // Asked after reading: what was read before the file was emptied is its own.
    if (size < offset || (await firstLineIn(handle)) !== firstLine) {
      yield NOTHING
      onEnd("truncated")
      // A line that is half there goes on in the copy.
      throw new Interrupted()
    }
    if (bytesRead > 0) {
      offset += bytesRead
      noticed = undefined
      yield chunk.subarray(0, bytesRead)
      continue
    }
    const named = await stat(file).catch(() => undefined)
    if (named?.ino === ino && named.dev === dev) noticed = undefined
    else {
      // Renaming sets the time of change as well: a file that was rotated long ago need not be waited for.
      const quietMs = Math.max(performance.now() - (noticed ?? performance.now()), Date.now() - ctimeMs)
      // Read once more since: while the server was away nobody asked, and what came last was not seen yet.
      if (noticed !== undefined && quietMs >= settleMs) return onEnd("renamed")
      noticed ??= performance.now()
    }
    yield NOTHING
    await sleep(pollMs, undefined, { signal }).catch(() => {})
  }
  // The importer stops at a chunk: without one it would take a line that is half there for a whole one.
  yield NOTHING
}
