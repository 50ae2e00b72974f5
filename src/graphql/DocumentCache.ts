/** Parsed documents by their text: the least recently used go when the texts together get too long. */
export class DocumentCache<A> {
  private readonly entries = new Map<string, A>()
  private characters = 0

  constructor(private readonly maxCharacters: number) {}

  get(text: string): A | undefined {
    const known = this.entries.get(text)
    if (known === undefined) return undefined
    this.entries.delete(text)
    this.entries.set(text, known)
    return known
  }

  set(text: string, value: A): void {
    if (text.length > this.maxCharacters / 10) return
    if (!this.entries.has(text)) this.characters += text.length
    this.entries.set(text, value)
    for (const oldest of this.entries.keys()) {
      if (this.characters <= this.maxCharacters) return
      this.entries.delete(oldest)
      this.characters -= oldest.length
    }
  }
}
