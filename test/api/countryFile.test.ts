import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { writeMmdb } from "../support/Mmdb.js"
import { storedEvents } from "../support/storedEvents.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"

describe("TIDEMARK_COUNTRY_FILE", () => {
  const directory = temporaryDirectory()
  afterAll(() => directory.remove())
  const fileWith = (name: string, content: Buffer): string => {
    const file = join(directory.path, name)
    writeFileSync(file, content)
    return file
  }

  it("gives page views the country of their address", async () => {
    const TIDEMARK_COUNTRY_FILE = fileWith(
      "country.mmdb",
      writeMmdb([{ cidr: "203.0.113.0/24", record: { country: { iso_code: "JP" } } }]),
    )
    const dataDir = join(directory.path, "data")
    const tidemark = new TidemarkProcess(dataDir, { TIDEMARK_COUNTRY_FILE })
    await tidemark.start()
    const { status, body } = await tidemark.send([
      { type: "pageview", merchantId: "m-1", clientId: "c-1", url: "/a", ip: "203.0.113.7", id: "1" },
      { type: "pageview", merchantId: "m-1", clientId: "c-2", url: "/b", ip: "198.51.100.7", id: "2" },
    ])
    await tidemark.stop()
    expect([status, body.accepted]).toEqual([202, 2])
    const countries = (await storedEvents(dataDir)).map(({ data }) => [data.path, data.country])
    expect(Object.fromEntries(countries)).toEqual({ "/a": "JP", "/b": undefined })
  })

  it.each([
    [
      "is missing",
      () => join(directory.path, "nothing.mmdb"),
      /TIDEMARK_COUNTRY_FILE .*nothing\.mmdb: ENOENT/,
    ],
    [
      "is no database",
      () => fileWith("broken.mmdb", Buffer.from("not a database")),
      /TIDEMARK_COUNTRY_FILE .*broken\.mmdb: it is no MaxMind DB/,
    ],
  ])("stops the start with a clear message when the file %s", async (_, file, message) => {
    const tidemark = new TidemarkProcess(join(directory.path, "other"), { TIDEMARK_COUNTRY_FILE: file() })
    await expect(tidemark.start()).rejects.toThrow(message)
  })
})
