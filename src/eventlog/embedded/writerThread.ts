import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import type { LogError } from "../EventLog.js"
import { Checkpointer } from "./Checkpointer.js"
import { failureOf, plain } from "./Failure.js"
import { FeedOutlet } from "./FeedOutlet.js"
import { filesOf } from "./Files.js"
import type { Tuning } from "./Options.js"
import type { AppendMessage, FromWriter, ToWriter } from "./Protocol.js"
import { Writer } from "./Writer.js"

/** Events that one transaction takes at most; what waits longer goes into the next. */
const EVENTS_A_COMMIT = 20_000
/** Quiet time after which written pages are moved to the main file. */
const IDLE_MS = 500

const run = (port: MessagePort, tuning: Tuning): void => {
  const tell = (message: FromWriter): void => port.postMessage(message)
  let writer: Writer
  try {
    writer = new Writer(tuning)
  } catch (cause) {
    tell({ tag: "refused", error: plain(failureOf(cause, tuning.directory)) })
    port.close()
    return
  }
  const outlets = new Set<FeedOutlet>()
  let idle: NodeJS.Timeout | undefined
  let beside: Checkpointer | undefined
  let closed = false

  const commit = (messages: ReadonlyArray<AppendMessage>): void => {
    let listened = false
    for (const outlet of outlets) listened ||= outlet.wants
    try {
      const { answers, events } = writer.commit(messages, listened)
      for (const answer of answers) tell(answer)
      if (events !== undefined) for (const outlet of outlets) outlet.give(events)
    } catch (cause) {
      tell({ tag: "failed", ids: messages.map((message) => message.id), reason: (cause as LogError).message })
    }
  }

  const close = async (): Promise<void> => {
    clearTimeout(idle)
    for (const outlet of outlets) outlet.close()
    await beside?.close()
    writer.close()
    tell({ tag: "closed" })
    port.close()
  }

  /** Everything that waits, up to the size of a commit; then back to the loop, where the other ports wait. */
  const drain = (first: ToWriter): void => {
    const appends: Array<AppendMessage> = []
    let size = 0
    let closing = false
    for (let next: ToWriter | undefined = first; next !== undefined; ) {
      if (next.tag === "append") {
        appends.push(next)
        size += next.ids.length
      } else if (next.tag === "connect") {
        const outlet: FeedOutlet = new FeedOutlet(
          next.port,
          tuning,
          () => writer.head,
          () => outlets.delete(outlet),
        )
        outlets.add(outlet)
      } else closing = true
      next =
        size < EVENTS_A_COMMIT && !closing
          ? (receiveMessageOnPort(port)?.message as ToWriter | undefined)
          : undefined
    }
    if (appends.length > 0) commit(appends)
    if (closing) {
      closed = true
      void close()
      return
    }
    if (writer.isCheckpointDue) checkpointBeside()
    if (idle === undefined) idle = setTimeout(rest, IDLE_MS)
    else idle.refresh()
  }

  const checkpoint = (): void => {
    if (closed) return
    try {
      writer.checkpoint()
    } catch {
      // The pages stay where they are, which is as durable; the next round tries again.
    }
  }
  /** Once there is something to do: a log that is only read has no use for the thread. */
  const checkpointBeside = (): void => {
    try {
      beside ??= new Checkpointer(filesOf(tuning.directory).database, () => {
        if (writer.isRestartDue) checkpoint()
      })
    } catch {
      // No thread can be had now: the writer does it itself.
      checkpoint()
      return
    }
    if (beside.isUnderWay) return
    if (beside.begin()) writer.checkpointBegun()
    else checkpoint()
  }
  const rest = (): void => {
    if (beside?.isUnderWay === true) idle?.refresh()
    else checkpoint()
  }

  port.on("message", drain)
  tell({ tag: "opened", logId: writer.logId, warning: writer.warning })
}

if (parentPort !== null) run(parentPort, workerData as Tuning)
