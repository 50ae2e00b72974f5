import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Temporary {
  readonly path: string
  readonly remove: () => void
}

export const temporary = (): Temporary => {
  const path = mkdtempSync(join(tmpdir(), "tidemark-test-"))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
