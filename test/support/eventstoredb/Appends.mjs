// Streams.Append and Streams.BatchAppend.
import { status as code } from "@grpc/grpc-js"
import { appendSize } from "./Log.mjs"
import { errorStatus, GoogleEmpty, identifier, nameOf, proposed, shared, streams } from "./Messages.mjs"

export const MAX_APPEND = 1024 * 1024

const expectedOf = (options, revision) =>
  options.hasAny()
    ? "any"
    : options.hasStreamExists()
      ? "stream_exists"
      : options.hasNoStream()
        ? "no_stream"
        : BigInt(revision)

/** Streams.Append: one call is one append. The client uses it when a call brings credentials of its own. */
export const append = (log, faults) => (call, answer) => {
  let options
  let size = 0
  const events = []
  call.on("data", (request) => {
    if (request.hasOptions()) options = request.getOptions()
    if (!request.hasProposedMessage()) return
    events.push(proposed(request.getProposedMessage()))
    size += appendSize(events.slice(-1))
  })
  call.on("end", () => {
    if (size > MAX_APPEND) {
      const metadata = faults.trailer({
        exception: "maximum-append-size-exceeded",
        "maximum-append-size": String(MAX_APPEND),
      })
      answer({ code: code.INVALID_ARGUMENT, details: "Maximum Append Size of 1048576 Exceeded.", metadata })
      return
    }
    const name = nameOf(options.getStreamIdentifier())
    log.append(name, expectedOf(options, options.getRevision()), events, (outcome) => {
      const reply = faults.takeReply()
      if (reply === "silent") return
      if (reply === "die") {
        answer({ code: code.UNAVAILABLE, details: "the connection was lost" })
        return
      }
      const response = new streams.AppendResp()
      if (outcome._tag === "Success") {
        const success = new streams.AppendResp.Success()
        if (outcome.revision < 0n) success.setNoStream(new shared.Empty())
        else success.setCurrentRevision(String(outcome.revision))
        if (outcome.position === undefined) success.setNoPosition(new shared.Empty())
        else {
          const position = new streams.AppendResp.Position()
          position.setCommitPosition(String(outcome.position))
          position.setPreparePosition(String(outcome.position))
          success.setPosition(position)
        }
        response.setSuccess(success)
      } else {
        const wrong = new streams.AppendResp.WrongExpectedVersion()
        if (outcome.current < 0n) wrong.setCurrentNoStream(new shared.Empty())
        else wrong.setCurrentRevision(String(outcome.current))
        if (options.hasNoStream()) wrong.setExpectedNoStream(new shared.Empty())
        else wrong.setExpectedRevision(options.getRevision())
        response.setWrongExpectedVersion(wrong)
      }
      faults.later(() => answer(null, response))
    })
  })
}

const wrongStatus = (options, current) => {
  const details = new shared.WrongExpectedVersion()
  if (current < 0n) details.setCurrentNoStream(new GoogleEmpty())
  else details.setCurrentStreamRevision(String(current))
  if (options.hasNoStream()) details.setExpectedNoStream(new GoogleEmpty())
  else if (options.hasStreamPosition()) details.setExpectedStreamPosition(options.getStreamPosition())
  else if (options.hasAny()) details.setExpectedAny(new GoogleEmpty())
  else details.setExpectedStreamExists(new GoogleEmpty())
  return errorStatus(
    code.FAILED_PRECONDITION,
    "WrongExpectedVersion",
    "event_store.client.WrongExpectedVersion",
    details,
  )
}

/** Streams.BatchAppend: many appends on one call, each in one or more requests under its own id. */
export const batchAppend = (log, faults) => (call) => {
  const open = new Map()
  const closed = faults.batchCall(call)
  const respond = (correlation, name, fill) => {
    const response = new streams.BatchAppendResp()
    response.setCorrelationId(correlation)
    response.setStreamIdentifier(identifier(name))
    fill(response)
    const reply = faults.takeReply()
    if (reply === "silent") return
    if (reply === "die") {
      call.emit("error", { code: code.UNAVAILABLE, details: "the connection was lost" })
      return
    }
    faults.later(() => {
      if (!closed.is) call.write(response)
    })
  }
  call.on("data", (request) => {
    const id = request.getCorrelationId().getString()
    if (request.hasOptions()) open.set(id, { options: request.getOptions(), events: [], size: 0 })
    const pending = open.get(id)
    if (pending === undefined) return
    const events = request.getProposedMessagesList().map(proposed)
    pending.events.push(...events)
    pending.size += appendSize(events)
    const name = nameOf(pending.options.getStreamIdentifier())
    if (pending.size > MAX_APPEND) {
      open.delete(id)
      const details = new shared.MaximumAppendSizeExceeded()
      details.setMaxappendsize(MAX_APPEND)
      const error = errorStatus(
        code.INVALID_ARGUMENT,
        "Maximum Append Size Exceeded",
        "event_store.client.MaximumAppendSizeExceeded",
        details,
      )
      respond(request.getCorrelationId(), name, (response) => response.setError(error))
      return
    }
    if (!request.getIsFinal()) return
    open.delete(id)
    const expected = expectedOf(pending.options, pending.options.getStreamPosition())
    log.append(name, expected, pending.events, (outcome) =>
      respond(request.getCorrelationId(), name, (response) => {
        if (outcome._tag !== "Success") {
          response.setError(wrongStatus(pending.options, outcome.current))
          return
        }
        const success = new streams.BatchAppendResp.Success()
        if (outcome.revision < 0n) success.setNoStream(new GoogleEmpty())
        else success.setCurrentRevision(String(outcome.revision))
        if (outcome.position === undefined) success.setNoPosition(new GoogleEmpty())
        else {
          const position = new shared.AllStreamPosition()
          position.setCommitPosition(String(outcome.position))
          position.setPreparePosition(String(outcome.position))
          success.setPosition(position)
        }
        response.setSuccess(success)
      }),
    )
  })
  call.on("end", () => call.end())
}
