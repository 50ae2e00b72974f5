// Streams.Read of a stream and of $all, in both directions, and subscriptions to $all.
import { status as code } from "@grpc/grpc-js"
import { identifier, nameOf, readEvent, streams } from "./Messages.mjs"
import { subscribe } from "./Subscriptions.mjs"
import { written } from "./writing.mjs"

const BACKWARDS = 1

/** Stops when the reader is gone. */
const pump = async (call, records) => {
  for (const record of records) {
    if (call.cancelled || call.destroyed) return false
    await written(call, readEvent(record))
  }
  return !call.cancelled
}

function* ofStream(log, options, count) {
  const stream = log.stream(nameOf(options.getStream().getStreamIdentifier()))
  const { records, truncatedBefore } = stream
  const asked = options.getStream()
  const last = records.length - 1
  const least = Number(truncatedBefore)
  let left = count
  if (options.getReadDirection() === BACKWARDS) {
    const from = asked.hasEnd() ? last : asked.hasStart() ? 0 : Math.min(last, Number(asked.getRevision()))
    for (let at = from; at >= least && left-- > 0; at--) yield records[at]
    return
  }
  if (asked.hasEnd()) return
  const from = asked.hasStart() ? 0 : Number(asked.getRevision())
  for (let at = Math.max(from, least); at < records.length && left-- > 0; at++) yield records[at]
}

/** Forwards from a position includes what lies there; backwards does not. */
function* ofAll(log, options, count) {
  const asked = options.getAll()
  const at = asked.hasPosition() ? BigInt(asked.getPosition().getCommitPosition()) : undefined
  let left = count
  if (options.getReadDirection() === BACKWARDS) {
    const from = asked.hasEnd() ? log.all.length : at === undefined ? 0 : log.indexOf(at)
    for (let index = from - 1; index >= 0 && left-- > 0; index--) yield log.all[index]
    return
  }
  if (asked.hasEnd()) return
  for (let index = at === undefined ? 0 : log.indexOf(at); index < log.all.length && left-- > 0; index++)
    yield log.all[index]
}

const unimplemented = (call, what) =>
  call.emit("error", { code: code.UNIMPLEMENTED, details: `the stand-in does not do this: ${what}` })

export const read = (log, faults, tuning) => (call) => {
  const options = call.request.getOptions()
  if (options.getResolveLinks()) return unimplemented(call, "resolving links")
  faults.readCall(call)
  if (options.hasSubscription()) {
    if (!options.hasAll()) return unimplemented(call, "subscriptions to a stream")
    subscribe(log, faults, tuning, call, options)
    return
  }
  if (options.hasFilter()) return unimplemented(call, "filtered reads")
  const count = Number(options.getCount())
  if (options.hasStream()) {
    const name = nameOf(options.getStream().getStreamIdentifier())
    if (log.lastRevision(name) < 0n) {
      const missing = new streams.ReadResp.StreamNotFound()
      missing.setStreamIdentifier(identifier(name))
      const response = new streams.ReadResp()
      response.setStreamNotFound(missing)
      faults.later(() => {
        call.write(response)
        call.end()
      })
      return
    }
  }
  const records = options.hasStream() ? ofStream(log, options, count) : ofAll(log, options, count)
  faults.later(() => void pump(call, records).then((whole) => whole && call.end()))
}
