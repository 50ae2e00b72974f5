/**
 * A cache that forgets what was not used for one to two turns of the hand: things used since the last
 * `rotate` are young, the others old, and old ones are dropped by the next. Use costs nothing but a look-up.
 */
export class Generations<A> {
  private young = new Map<string, A>()
  private old = new Map<string, A>()

  get size(): number {
    return this.young.size + this.old.size
  }

  get(key: string): A | undefined {
    const young = this.young.get(key)
    if (young !== undefined) return young
    const old = this.old.get(key)
    if (old === undefined) return undefined
    this.old.delete(key)
    this.young.set(key, old)
    return old
  }

  set(key: string, value: A): void {
    this.young.set(key, value)
  }

  delete(key: string): void {
    this.young.delete(key)
    this.old.delete(key)
  }

  rotate(): void {
    this.old = this.young
    this.young = new Map()
  }

  clear(): void {
    this.young = new Map()
    this.old = new Map()
  }
}
