import { afterAll, beforeAll, describe, it } from "vitest"
import { Pressing } from "../support/Pressing.js"
import { storesOf } from "../support/stores.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"

const directory = temporaryDirectory()
const secondDirectory = temporaryDirectory()
const tidemark = new TidemarkProcess(directory.path)
const second = new TidemarkProcess(secondDirectory.path)

beforeAll(async () => {
  const server = await storesOf(directory.path).eventStore()
  storesOf(secondDirectory.path).share(server)
  await tidemark.start()
  await second.start()
})
afterAll(async () => {
  await Promise.all([tidemark.stop(), second.stop()])
  directory.remove()
  secondDirectory.remove()
})

describe("two programs on one EventStoreDB", () => {
  it("that write the same streams at once lose and double nothing", { timeout: 300_000 }, async () => {
    const pressing = new Pressing()
    await pressing.during("two writers", [tidemark, second], () => pressing.more(500))
    await pressing.check(directory.path)
  })
})
