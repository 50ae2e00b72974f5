/**
 * Values for one reader, as an async iterator: each once and in order, as long as the reader keeps up. Of a slow one
 * no more than `limit` wait, and the oldest go first.
 */
export class Sliding<A> implements AsyncIterableIterator<A> {
  private readonly values: Array<A> = []
  private readonly waiting: Array<(result: IteratorResult<A>) => void> = []
  private ended = false

  constructor(
    private readonly limit: number,
    private readonly onEnd: () => void,
  ) {}

  offer(value: A): void {
    if (this.ended) return
    const reader = this.waiting.shift()
    if (reader !== undefined) {
      reader({ done: false, value })
      return
    }
    this.values.push(value)
    if (this.values.length > this.limit) this.values.shift()
  }

  end(): void {
    if (this.ended) return
    this.ended = true
    this.values.length = 0
    for (const reader of this.waiting.splice(0)) reader({ done: true, value: undefined })
    this.onEnd()
  }

  next(): Promise<IteratorResult<A>> {
    if (this.ended) return Promise.resolve({ done: true, value: undefined })
    if (this.values.length > 0) return Promise.resolve({ done: false, value: this.values.shift() as A })
    return new Promise((resolve) => this.waiting.push(resolve))
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
}
