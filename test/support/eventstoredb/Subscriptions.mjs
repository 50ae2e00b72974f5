// A subscription to $all, as 23.10 runs one: the start is exclusive, whatever record lies there; while it
// catches up it reads in windows, and a checkpoint is the last match of a window or the window's beginning
// (with prepare position 0); one "caught up" follows; live, a reader that lags behind is dropped.
import { randomUUID } from "node:crypto"
import { status as code } from "@grpc/grpc-js"
import { readEvent, streams } from "./Messages.mjs"
import { written } from "./writing.mjs"

const DEFAULT_WINDOW = 32

const matcher = (options) => {
  if (!options.hasFilter()) return () => true
  const filter = options.getFilter()
  const byStream = filter.hasStreamIdentifier()
  const expression = byStream ? filter.getStreamIdentifier() : filter.getEventType()
  const text = (record) => (byStream ? record.stream : record.type)
  const regex = expression.getRegex()
  if (regex !== "") {
    const pattern = new RegExp(regex, "u")
    return (record) => pattern.test(text(record))
  }
  const prefixes = expression.getPrefixList()
  return (record) => prefixes.some((prefix) => text(record).startsWith(prefix))
}

const checkpoint = (commit, prepare) => {
  const made = new streams.ReadResp.Checkpoint()
  made.setCommitPosition(String(commit))
  made.setPreparePosition(String(prepare))
  const response = new streams.ReadResp()
  response.setCheckpoint(made)
  return response
}

export const subscribe = async (log, faults, tuning, call, options) => {
  const matches = matcher(options)
  const filter = options.hasFilter() ? options.getFilter() : undefined
  const window = filter?.hasMax() ? filter.getMax() : DEFAULT_WINDOW
  const interval = filter === undefined ? 0 : filter.getCheckpointintervalmultiplier() * window
  const state = faults.subscription(call)
  let wake = () => {}
  const stop = log.onCommit(() => wake())
  const gone = () => call.cancelled || call.destroyed || state.ended
  const send = async (response) => {
    if (gone() || state.hangs) return
    await written(call, response)
  }
  call.once("cancelled", () => wake())

  const asked = options.getAll()
  let next = asked.hasEnd()
    ? log.all.length
    : asked.hasStart()
      ? 0
      : log.indexOf(BigInt(asked.getPosition().getCommitPosition())) + 1

  const confirmation = new streams.ReadResp.SubscriptionConfirmation()
  confirmation.setSubscriptionId(randomUUID())
  const confirmed = new streams.ReadResp()
  confirmed.setConfirmation(confirmation)
  await send(confirmed)

  let considered = 0
  while (!gone() && next < log.all.length) {
    const page = log.all.slice(next, next + window)
    let position
    for (const record of page) {
      if (!matches(record)) continue
      await send(readEvent(record))
      position = checkpoint(record.position, record.position)
    }
    next += page.length
    considered += page.length
    if (interval === 0 || next >= log.all.length || considered < interval) continue
    considered %= interval
    await send(position ?? checkpoint(page[0].position, 0))
  }
  // Not 23.10 but 25.0.0: the end of the log, where the next event will lie (KurrentDB's issue 4970).
  if (interval > 0 && tuning.checkpointAtEnd) await send(checkpoint(log.end, 0))
  const caughtUp = new streams.ReadResp()
  caughtUp.setCaughtUp(new streams.ReadResp.CaughtUp())
  await send(caughtUp)

  while (!gone()) {
    if (next >= log.all.length) {
      await new Promise((resolve) => {
        wake = resolve
      })
      continue
    }
    if (log.all.length - next > tuning.liveBuffer) {
      call.emit("error", {
        code: code.ABORTED,
        details: "Consumer too slow to handle event while live. Client resubscription required.",
      })
      break
    }
    const record = log.all[next++]
    considered++
    if (matches(record)) await send(readEvent(record))
    if (interval === 0 || considered < interval) continue
    considered = 0
    await send(checkpoint(record.position, record.position))
  }
  stop()
}
