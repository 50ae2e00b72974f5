/**
 * Where a text stops being JSON: the offset of the first character that can't stand there, or the text's
 * length when it ends too early. Only asked after `JSON.parse` has failed, because its own messages leave
 * the place out at times and repeat what was sent.
 */
export const jsonFault = (text: string): number => {
  const scanner = new Scanner(text)
  return scanner.run() ?? text.length
}

const literals = ["true", "false", "null"]
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const hex = /[0-9a-fA-F]{4}/y

class Scanner {
  private at = 0
  /** The brackets that are open, as their closing character: a loop, because text may nest without end. */
  private readonly open: string[] = []

  constructor(private readonly text: string) {}

  /** Offset of the fault; undefined when there is none. */
  run(): number | undefined {
    for (;;) {
      if (!this.value()) return this.at
      for (;;) {
        this.space()
        const closing = this.open[this.open.length - 1]
        if (closing === undefined) return this.at < this.text.length ? this.at : undefined
        const char = this.text[this.at]
        if (char === closing) {
          this.at += 1
          this.open.pop()
          continue
        }
        if (char !== ",") return this.at
        this.at += 1
        this.space()
        if (closing === "}" && !this.name()) return this.at
        break
      }
    }
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return
      this.at += 1
    }
  }

  /** A value, or its beginning when it holds values itself; false at the fault. */
  private value(): boolean {
    for (;;) {
      this.space()
      const char = this.text[this.at]
      if (char === '"') return this.string()
      if (char !== "[" && char !== "{") return this.scalar()
      const closing = char === "[" ? "]" : "}"
      this.at += 1
      this.space()
      if (this.text[this.at] === closing) {
        this.at += 1
        return true
      }
      this.open.push(closing)
      if (closing === "}" && !this.name()) return false
    }
  }

  private name(): boolean {
    if (!this.string()) return false
    this.space()
    if (this.text[this.at] !== ":") return false
    this.at += 1
    return true
  }

  private scalar(): boolean {
    const literal = literals.find((word) => this.text.startsWith(word, this.at))
    if (literal !== undefined) {
      this.at += literal.length
      return true
    }
    number.lastIndex = this.at
    const match = number.exec(this.text)
    if (match === null) return false
    this.at += match[0].length
    return true
  }

  private string(): boolean {
    if (this.text[this.at] !== '"') return false
    this.at += 1
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code === 34) {
        this.at += 1
        return true
      }
      // NaN is the end of the text.
      if (Number.isNaN(code) || code < 32) return false
      if (code === 92) {
        const escaped = this.text[this.at + 1] ?? ""
        hex.lastIndex = this.at + 2
        if (escaped === "u" ? !hex.test(this.text) : escaped === "" || !'"\\/bfnrt'.includes(escaped)) {
          this.at += 1
          return false
        }
        this.at += escaped === "u" ? 5 : 1
      }
      this.at += 1
    }
  }
}

/** Line and column, both from 1, of an offset. */
export const placeOf = (text: string, offset: number): { readonly line: number; readonly column: number } => {
  let line = 1
  let from = 0
  for (let next = text.indexOf("\n"); next >= 0 && next < offset; next = text.indexOf("\n", from)) {
    line += 1
    from = next + 1
  }
  return { line, column: offset - from + 1 }
}
