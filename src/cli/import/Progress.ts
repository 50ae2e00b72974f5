import { SingleBar } from "cli-progress"
import type { Counts } from "./State.js"

export interface Shown {
  /** Bytes as they lie on the disk; the total is not known of standard input. */
  readonly read: number
  readonly total: number | undefined
  readonly counts: Counts
  readonly unit: string
}

const LINE_EVERY_MS = 10_000

const timeOf = (seconds: number): string => {
  if (!Number.isFinite(seconds)) return "?"
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`
}

const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`

/** Shows on stderr how far an import is: a bar in a terminal, else a line now and then. */
export class Progress {
  private readonly bar: SingleBar | undefined
  private readonly timer: NodeJS.Timeout
  private readonly began = performance.now()
  private readonly readBefore: number
  private readonly sentBefore: number

  constructor(private readonly look: () => Shown) {
    const { read, total, counts } = look()
    this.readBefore = read
    this.sentBefore = counts.sent
    if (process.stderr.isTTY && total !== undefined) {
      this.bar = new SingleBar({
        format: " {bar} {percentage}% of {size} | {rate} events/s | {left} left",
        stream: process.stderr,
        hideCursor: true,
        clearOnComplete: true,
      })
      this.bar.start(Math.max(1, total), read, this.payload())
    }
    this.timer = setInterval(() => this.show(), this.bar === undefined ? LINE_EVERY_MS : 250)
    this.timer.unref()
  }

  /** Writes a line, above the bar if there is one. */
  say(text: string): void {
    if (this.bar !== undefined) process.stderr.write("\r\u001b[K")
    process.stderr.write(`${text}\n`)
  }

  stop(): void {
    clearInterval(this.timer)
    this.bar?.stop()
  }

  private payload(): Readonly<Record<"rate" | "left" | "size", string | number>> {
    const { read, total = 0, counts } = this.look()
    const seconds = (performance.now() - this.began) / 1_000
    const speed = (read - this.readBefore) / seconds
    return {
      rate: Math.round((counts.sent - this.sentBefore) / seconds) || 0,
      left: timeOf(Math.max(0, total - read) / speed),
      size: mebibytes(total),
    }
  }

  private show(): void {
    const { read, total, counts, unit } = this.look()
    const { rate, left } = this.payload()
    if (this.bar !== undefined) {
      this.bar.update(read, this.payload())
      return
    }
    const share = total === undefined ? "" : ` of ${mebibytes(total)}, ${left} left`
    this.say(
      `${counts.records} ${unit}s, ${counts.sent} events, ${rate} events/s, ${mebibytes(read)}${share}`,
    )
  }
}
