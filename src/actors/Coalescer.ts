type Done<B, E> = (results: ReadonlyArray<B> | undefined, error: E | undefined) => void

interface Submission<A, B, E> {
  readonly items: ReadonlyArray<A>
  readonly done: Done<B, E>
}

/**
 * Gathers what is submitted in one tick into one call. `run` is given all items, and answers with one
 * result for each or with an error for all of them.
 */
export class Coalescer<A, B, E> {
  private waiting: Array<Submission<A, B, E>> = []

  /** @param separate for an error that may be one submission's fault: then each is run by itself. */
  constructor(
    private readonly run: (items: ReadonlyArray<A>, done: Done<B, E>) => void,
    private readonly separate: (error: E) => boolean = () => false,
  ) {}

  /** `done` is called once: with as many results as items, or with the error. */
  submit(items: ReadonlyArray<A>, done: Done<B, E>): void {
    this.waiting.push({ items, done })
    if (this.waiting.length === 1) queueMicrotask(() => this.send())
  }

  private send(): void {
    const all = this.waiting
    this.waiting = []
    const [only] = all
    if (only !== undefined && all.length === 1) {
      this.run(only.items, only.done)
      return
    }
    this.run(
      all.flatMap(({ items }) => items),
      (results, error) => {
        if (error !== undefined && this.separate(error)) {
          for (const { items, done } of all) this.run(items, done)
          return
        }
        let at = 0
        for (const { items, done } of all) {
          done(results?.slice(at, at + items.length), error)
          at += items.length
        }
      },
    )
  }
}
