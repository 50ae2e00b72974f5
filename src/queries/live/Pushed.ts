/** Values that are pushed to one reader, as an async iterator: what waits for the reader is kept by those who extend it. */
export abstract class Pushed<A> implements AsyncIterableIterator<A> {
  protected readonly waiting: Array<(result: IteratorResult<A>) => void> = []
  private ended = false

  constructor(private readonly onEnd: () => void) {}

  /** Keeps the value until it can be delivered. */
  protected abstract keep(value: A): void
  /** Gives to who waits what may be given now. */
  protected abstract deliver(): void
  protected abstract forget(): void

  offer(value: A): void {
    if (this.ended) return
    this.keep(value)
    this.deliver()
  }

  /** Ends the reader's loop. */
  end(): void {
    if (this.ended) return
    this.ended = true
    this.forget()
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
}
