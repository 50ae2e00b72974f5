import type {
  Incoming,
  Origin,
  RecordedAs,
  RecorderService,
  RecordResult,
} from "../../../src/actors/Recorder.js"
import { fromNumber } from "../../../src/domain/Position.js"

/** The recorder's contract without a log, for what is only about HTTP: first content wins, by merchant and id. */
export class MemoryRecorder implements RecorderService {
  readonly events: Incoming[] = []
  readonly origins: Origin[] = []
  private readonly seen = new Set<string>()
  /** What it answers instead, once for each request, while there are any. */
  readonly answers: Array<RecordResult | "silent"> = []
  /** Merchants whose events it refuses. */
  readonly unknown = new Set<string>()
  calls = 0

  readonly record: RecorderService["record"] = (events, origin, done) => {
    this.calls += 1
    this.origins.push(origin)
    const answer = this.answers.shift()
    if (answer === "silent") return
    const result: RecordResult = answer ?? {
      _tag: "Recorded",
      events: events.map((event) => this.one(event)),
      position: fromNumber(this.events.length),
    }
    setImmediate(() => done(result))
  }

  private one(event: Incoming): RecordedAs {
    const { id, merchantId } = event.data
    if (this.unknown.has(merchantId)) {
      return {
        _tag: "Refused",
        code: "UNKNOWN_MERCHANT",
        path: "merchantId",
        message: "There is no such merchant.",
      }
    }
    const key = `${merchantId} ${id}`
    if (this.seen.has(key)) return { _tag: "Duplicate" }
    this.seen.add(key)
    this.events.push(event)
    return { _tag: "Accepted" }
  }

  readonly changeSettings: RecorderService["changeSettings"] = (_, done) => done({ _tag: "Missing" })
  readonly changeSystem: RecorderService["changeSystem"] = (_, done) => done({ _tag: "Missing" })
  readonly changeApiKey: RecorderService["changeApiKey"] = (_, done) => done({ _tag: "Missing" })
}
