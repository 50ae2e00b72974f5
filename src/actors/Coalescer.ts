/**
 * Gathers what is submitted in one tick into one call. `run` is given all items and answers with one result for
 * each, or with an error for all of them.
 */
export class Coalescer<A, B, E> {
  private items: Array<A> = []
  private parts: Array<{
    readonly count: number
    readonly done: (result: ReadonlyArray<B> | undefined, error: E | undefined) => void
  }> = []

  constructor(
    private readonly run: (
      items: ReadonlyArray<A>,
      done: (results: ReadonlyArray<B> | undefined, error: E | undefined) => void,
    ) => void,
  ) {}

  /** `done` is called once: with as many results as items, or with the error. */
  submit(
    items: ReadonlyArray<A>,
    done: (results: ReadonlyArray<B> | undefined, error: E | undefined) => void,
  ): void {
    for (const item of items) this.items.push(item)
    this.parts.push({ count: items.length, done })
    if (this.parts.length === 1) queueMicrotask(() => this.send())
  }

  private send(): void {
    const { items, parts } = this
    this.items = []
    this.parts = []
    this.run(items, (results, error) => {
      let at = 0
      for (const { count, done } of parts) {
        if (results === undefined) done(undefined, error)
        else done(parts.length === 1 ? results : results.slice(at, at + count), undefined)
        at += count
      }
    })
  }
}
