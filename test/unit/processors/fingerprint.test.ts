import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, describe, expect, it } from "vitest"
import { definitionsOf, fingerprintOf } from "../../../src/processors/Fingerprint.js"
import type { Projection } from "../../../src/processors/Projection.js"
import { projections } from "../../../src/projections/index.js"

describe("fingerprints of code", () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-fingerprint-"))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const file = (name: string, text: string) => writeFileSync(join(directory, name), text)
  const projection: Projection = {
    name: "counts",
    version: 1,
    collections: [],
    source: pathToFileURL(join(directory, "counts.js")).href,
    apply: () => {},
  }

  it("change with the code of a projection and of what it imports, and not with comments or space", () => {
    const text = 'import { add } from "./add.js"\nexport const counts = add(1)\n'
    file("counts.js", text)
    file("add.js", "export const add = (n) => n + 1\n")
    file("other.js", "export const other = 1\n")
    const first = fingerprintOf(projection)
    expect(fingerprintOf(projection)).toBe(first)
    file("counts.js", `// A remark.\n\n${text}`)
    expect(fingerprintOf(projection)).toBe(first)
    file("other.js", "export const other = 2\n")
    expect(fingerprintOf(projection)).toBe(first)
    file("add.js", "export const add = (n) => n + 2\n")
    const second = fingerprintOf(projection)
    expect(second).not.toBe(first)
    file("counts.js", text.replace("add(1)", "add(2)"))
    expect(fingerprintOf(projection)).not.toBe(second)
  })

  it("are those of the function alone where a projection does not say where it stands", () => {
    const { source: _, ...bare } = projection
    expect(fingerprintOf(bare)).toBe(fingerprintOf({ ...bare }))
    expect(fingerprintOf({ ...bare, apply: () => 1 as never })).not.toBe(fingerprintOf(bare))
  })

  it("tell the projections of this program apart", () => {
    const all = definitionsOf(projections)
    expect(new Set(all.map(({ fingerprint }) => fingerprint)).size).toBe(projections.length)
    for (const { source } of projections) expect(source).toMatch(/projections\/\w+\.ts$/)
  })
})
