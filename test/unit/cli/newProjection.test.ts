import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { newProjection } from "../../../src/cli/new/newProjection.js"
import { registered } from "../../../src/cli/new/templates.js"
import { compileBeside, root } from "../../support/compileBeside.js"

const INDEX = "src/projections/index.ts"

describe("tidemark new projection", () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "tidemark-new-"))
    mkdirSync(join(directory, "src", "projections"), { recursive: true })
    cpSync(join(root, INDEX), join(directory, INDEX))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))
  const text = (path: string): string => readFileSync(join(directory, path), "utf8")

  it("writes a projection and its test, registered, and all of it compiles", () => {
    const files = newProjection(directory, "refundRate")
    expect(files).toEqual([
      "src/projections/refundRate.ts",
      "test/unit/projections/refundRate.test.ts",
      INDEX,
    ])
    expect(text(INDEX)).toContain('import { refundRate } from "./refundRate.js"')
    expect(text(INDEX)).toMatch(/^export const projections.* = \[metrics, clients, merchants, refundRate\]$/m)
    expect(compileBeside(Object.fromEntries(files.map((path) => [path, text(path)])))).toEqual([])
  })

  it("imports in the order of names, wherever the new one belongs", () => {
    const index = readFileSync(join(root, INDEX), "utf8")
    for (const name of ["aaa", "laps", "zzz"]) {
      const found = [...(registered(index, name) ?? "").matchAll(/^import \{ \w+ \} from "\.\/(\w+)\.js"$/gm)]
      const names = found.map(([, one]) => one)
      expect(names).toContain(name)
      expect(names).toEqual([...names].sort())
    }
  })

  it("registers in a list of several lines as well, one after the other", () => {
    const many = text(INDEX).replace(
      "[metrics, clients, merchants]",
      "[\n  metrics,\n  clients,\n  merchants,\n]",
    )
    writeFileSync(join(directory, INDEX), many)
    const files = [...newProjection(directory, "refundRate"), ...newProjection(directory, "returns")]
    expect(text(INDEX)).toContain("  merchants,\n  refundRate,\n  returns,\n]")
    expect(compileBeside(Object.fromEntries(files.map((path) => [path, text(path)])))).toEqual([])
  })

  it("refuses what it can't do, and changes nothing then", () => {
    const index = text(INDEX)
    const taken = ["table", "dayOf", "given", "it", "projections", "optional", "undefined", "eval"]
    for (const name of ["", "Refunds", "refund-rate", "class", "a".repeat(41), "../x", ...taken]) {
      expect(() => newProjection(directory, name)).toThrow(/can't be the name of a projection/)
    }
    writeFileSync(join(directory, "src", "projections", "mine.ts"), "mine")
    expect(() => newProjection(directory, "mine")).toThrow(/is there already/)
    expect(text("src/projections/mine.ts")).toBe("mine")
    expect(() => newProjection(tmpdir(), "other")).toThrow(/run this in the directory of Tidemark's sources/)
    expect(text(INDEX)).toBe(index)
  })
})
