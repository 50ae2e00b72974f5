/** Lines that wait in memory of a fixed size. */
export class LineBuffer {
  private readonly memory: Buffer
  bytes = 0
  lines = 0

  constructor(size: number) {
    this.memory = Buffer.allocUnsafeSlow(size)
  }

  get isHalfFull(): boolean {
    return this.bytes * 2 > this.memory.length
  }

  get content(): Buffer {
    return this.memory.subarray(0, this.bytes)
  }

  /** False when the line might not fit. A character takes at most three bytes. */
  push(line: string): boolean {
    if (this.bytes + line.length * 3 > this.memory.length) return false
    this.bytes += this.memory.write(line, this.bytes, "utf8")
    this.lines += 1
    return true
  }

  clear(): void {
    this.bytes = 0
    this.lines = 0
  }
}
