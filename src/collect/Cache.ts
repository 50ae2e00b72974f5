/**
 * A bounded cache in two generations: when the young one is full it becomes the old one, and what was in
 * the old one and not asked for since is dropped. A hit costs one look-up, without the reordering of a
 * strict LRU. Holds between `size` and twice `size` entries.
 */
export class Cache<V> {
  private young = new Map<string, V>()
  private old = new Map<string, V>()

  constructor(private readonly size: number) {}

  get(key: string): V | undefined {
    const found = this.young.get(key)
    if (found !== undefined) return found
    const kept = this.old.get(key)
    if (kept !== undefined) this.set(key, kept)
    return kept
  }

  set(key: string, value: V): void {
    if (this.young.size >= this.size) {
      this.old = this.young
      this.young = new Map()
    }
    this.young.set(key, value)
  }
}
