/**
 * The newest state for one reader, as an async iterator. It holds one value whatever the reader does: a
 * slow one misses steps, never the newest. Two values are never closer together than `gapMs`.
 */
export class Latest<A> implements AsyncIterableIterator<A> {
  private slot: { readonly value: A } | undefined
  private readonly waiting: Array<(result: IteratorResult<A>) => void> = []
  private timer: NodeJS.Timeout | undefined
  private takenAt = Number.NEGATIVE_INFINITY
  private ended = false

  constructor(
    private readonly gapMs: number,
    private readonly onEnd: () => void,
  ) {}

  offer(value: A): void {
    if (this.ended) return
    this.slot = { value }
    this.deliver()
  }

  /** Ends the reader's loop. */
  end(): void {
    if (this.ended) return
    this.ended = true
    this.slot = undefined
    clearTimeout(this.timer)
    for (const resolve of this.waiting.splice(0)) resolve({ done: true, value: undefined })
    this.onEnd()
  }

  next(): Promise<IteratorResult<A>> {
    if (this.ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve) => {
      this.waiting.push(resolve)
      this.deliver()
    })
  }

  return(): Promise<IteratorResult<A>> {
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  throw(): Promise<IteratorResult<A>> {
    return this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  private deliver(): void {
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
