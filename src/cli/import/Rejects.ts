import { closeSync, openSync, writeSync } from "node:fs"
import { csvRow } from "./csvRow.js"
import type { Report } from "./Round.js"

/** A file of CSV with the rows that gave no event, and why: line, offset, reason, then the row as it was. */
export class Rejects {
  private handle: number | undefined

  constructor(
    private readonly file: string,
    private readonly header: () => ReadonlyArray<string>,
  ) {}

  /** @param resumed adds to what an interrupted import wrote, instead of beginning anew */
  open(resumed: boolean): void {
    this.handle = openSync(this.file, resumed ? "a" : "w")
    this.headed = resumed
  }

  write({ line, offset, reason, fields = [] }: Report): void {
    if (this.handle === undefined) return
    if (!this.headed) this.put(["line", "offset", "reason", ...this.header()])
    this.headed = true
    this.put([String(line), String(offset), reason, ...fields])
  }

  close(): void {
    if (this.handle !== undefined) closeSync(this.handle)
    this.handle = undefined
  }

  private headed = false

  private put(fields: ReadonlyArray<string>): void {
    if (this.handle !== undefined) writeSync(this.handle, `${csvRow(fields)}\n`)
  }
}
