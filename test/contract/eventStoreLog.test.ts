import { randomUUID } from "node:crypto"
import { afterAll, beforeAll, describe } from "vitest"
import { EventStoreServer } from "../support/eventstoredb/EventStoreServer.js"
import { openLog } from "../support/eventstoredb/openLog.js"
import { temporaryDirectory } from "../support/TidemarkProcess.js"
import { eventLogContract, type OpenedLog } from "./EventLogContract.js"

/** A part of the server of its own for each test: a real one has other events, and keeps those of every run. */
const openOn = async (connection: string): Promise<OpenedLog> => {
  const prefix = `t${randomUUID().slice(0, 13)}-`
  const options = { connection, prefix }
  let current = await openLog(options)
  return {
    log: current.log,
    reopen: async () => {
      await current.close()
      current = await openLog(options)
      return current.log
    },
    close: () => current.close(),
  }
}

const real = process.env.EVENTSTOREDB_URL

describe("on the stand-in", () => {
  const directory = temporaryDirectory()
  const server = new EventStoreServer(directory.path)
  beforeAll(() => server.start())
  afterAll(async () => {
    await server.stop()
    directory.remove()
  })
  eventLogContract("EventStoreDB's adapter", () => openOn(server.connection))
})

describe.skipIf(real === undefined)("on the server that EVENTSTOREDB_URL names", () => {
  eventLogContract("EventStoreDB's adapter", () => openOn(real ?? ""))
})
