import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import { LevelStreamIndex } from "../../../src/actors/embedded/LevelStreamIndex.js"
import { SeenFilter } from "../../../src/actors/embedded/SeenFilter.js"
import type { Position } from "../../../src/domain/Position.js"

const ids = (count: number) => Array.from({ length: count }, () => randomUUID())

it("whatever was added is held, over several tables, and few strangers look known", () => {
  const filter = new SeenFilter()
  const added = ids(700_000)
  for (const id of added) filter.add(id)
  expect(added.filter((id) => !filter.mayHold(id))).toEqual([])
  expect(added.filter((id) => !filter.mayHold(id.replaceAll("-", "")))).toEqual([])
  const strangers = ids(50_000).filter((id) => filter.mayHold(id)).length
  expect(strangers / 50_000).toBeLessThan(0.03)
})

it("streams that differ in one character are told apart", () => {
  const filter = new SeenFilter()
  const name = (index: number) => `client-017.visitor${index}`
  for (let index = 0; index < 20_000; index += 2) filter.add(name(index))
  let known = 0
  for (let index = 1; index < 20_000; index += 2) if (filter.mayHold(name(index))) known++
  expect(known).toBeLessThan(300)
})

it("without memory for more it answers yes to everything", () => {
  const filter = new SeenFilter(100_000)
  for (const id of ids(10)) filter.add(id)
  expect(filter.gaveUp).toBe(true)
  expect(filter.mayHold(randomUUID())).toBe(true)
})

it("ids from before the last start are found while the filter fills, and after", async () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-index-"))
  const stored = ids(10_000)
  const first = await LevelStreamIndex.open({ directory })
  first.record({
    stream: "merchant-001.shop",
    partition: 1,
    revision: stored.length - 1,
    position: "10000" as Position,
    recordedAt: 1,
    eventIds: stored,
  })
  await first.close()
  const second = await LevelStreamIndex.open({ directory })
  try {
    for (const deadline = Date.now() + 10_000; !second.knowsAll && Date.now() < deadline; ) {
      expect(second.has(stored[9_999] ?? "")).toBe(true)
      expect(second.has(randomUUID())).toBe(false)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(second.knowsAll).toBe(true)
    expect(stored.filter((id) => !second.has(id))).toEqual([])
    expect(second.find("merchant-001.shop")?.revision).toBe(9_999)
    expect(second.find("merchant-001.shot")).toBeUndefined()
  } finally {
    await second.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
