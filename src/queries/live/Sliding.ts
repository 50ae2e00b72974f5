import { Pushed } from "./Pushed.js"

/**
 * Values for one reader: each once and in order, as long as the reader keeps up. Of a slow one no more than `limit`
 * wait, and the oldest go first.
 */
export class Sliding<A> extends Pushed<A> {
  private readonly values: Array<A> = []

  constructor(
    private readonly limit: number,
    onEnd: () => void,
  ) {
    super(onEnd)
  }

  protected keep(value: A): void {
    this.values.push(value)
    // Who waits takes it at once.
    if (this.values.length > this.limit && this.waiting.length === 0) this.values.shift()
  }

  protected deliver(): void {
    while (this.values.length > 0 && this.waiting.length > 0) {
      this.waiting.shift()?.({ done: false, value: this.values.shift() as A })
    }
  }

  protected forget(): void {
    this.values.length = 0
  }
}
