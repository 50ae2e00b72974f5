import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import {
  ClientsFileDamaged,
  readClients,
  Slice,
  writeClients,
} from "../../../../src/actors/clients/ClientsFile.js"
import { LiveClients } from "../../../../src/actors/clients/LiveClients.js"
import type { Position } from "../../../../src/domain/Position.js"
import { temporary } from "../../../support/temporary.js"

const directory = temporary()
afterAll(() => directory.remove())

const keyOf = (number: number): string => {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt32LE(Math.imul(number + 1, 0x9e3779b1) >>> 0)
  bytes.writeUInt32LE(number, 12)
  return bytes.toString("base64url")
}

/** Clients of three merchants; every thousandth has a key that is no 128 bits. */
const clientsUpTo = (count: number): LiveClients => {
  const live = new LiveClients()
  for (let n = 0; n < count; n++) {
    const key = n % 1_000 === 0 ? `odd-${n}` : keyOf(n)
    const active = { at: 1_700_000_000_000 - n, recordedAt: 1_700_000_000_000 + n }
    live.put(key, `m-${n % 3}`, 1_000 * (1 + (n % 2)), active, { address: n * 5, country: n % 700 })
  }
  return live
}

const dumpOf = (partition: number, live: LiveClients) => ({
  ...{ partition, upTo: "12" as Position, own: [], standardMs: 1_000, lacking: [] },
  ...{ watchedMerchants: { own: [], lacking: [], odd: [] } },
  ...live.dump(),
})

const sorted = (live: LiveClients) => [...live.texts()].sort(([a], [b]) => (a < b ? -1 : 1))

describe("the file of live clients", () => {
  it("gives back every client of partitions of several pieces, of few and of none, in a slice that is used again", async () => {
    const path = join(directory.path, "clients")
    const slice = new Slice()
    const first = [clientsUpTo(20_011), clientsUpTo(0), clientsUpTo(7)]
    for (const tables of [first, [...first].reverse(), [clientsUpTo(3), clientsUpTo(1_024)]]) {
      const partitions = (function* () {
        for (const [partition, live] of tables.entries()) yield dumpOf(partition, live)
      })()
      await writeClients(path, { partitions, mark: () => undefined }, slice)
      const found = readClients(path)
      if (found === undefined || found instanceof ClientsFileDamaged) throw new Error(String(found))
      expect(found.partitions).toHaveLength(tables.length)
      for (const { partition, ...dump } of found.partitions) {
        const again = new LiveClients()
        again.restore(dump, () => 1_000)
        expect(sorted(again)).toEqual(sorted(tables[partition] as LiveClients))
      }
    }
  })
})
