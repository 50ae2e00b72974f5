import { Pushed } from "./Pushed.js"

/**
 * The newest state for one reader. It holds one value whatever the reader does: a slow one misses steps, never the
 * newest. Two values are never closer together than `gapMs`.
 */
export class Latest<A> extends Pushed<A> {
  private slot: { readonly value: A } | undefined
  private timer: NodeJS.Timeout | undefined
  private takenAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly gapMs: number,
    onEnd: () => void,
  ) {
    super(onEnd)
  }

  protected keep(value: A): void {
    this.slot = { value }
  }

  protected forget(): void {
    this.slot = undefined
    clearTimeout(this.timer)
  }

  protected deliver(): void {
    if (this.slot === undefined || this.waiting.length === 0 || this.timer !== undefined) return
    const wait = this.takenAt + this.gapMs - performance.now()
    if (wait > 0) {
      this.timer = setTimeout(() => {
        this.timer = undefined
        this.deliver()
      }, wait)
      return
    }
    const { value } = this.slot
    this.slot = undefined
    this.takenAt = performance.now()
    this.waiting.shift()?.({ done: false, value })
  }
}
