import { appendFileSync, renameSync, writeFileSync } from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { expect, it } from "vitest"
import { firstLineOf } from "../../../src/cli/follow/Generation.js"
import { type Ended, liveChunks } from "../../../src/cli/follow/LiveLog.js"
import { temporary } from "../../support/temporary.js"

it("reads what came last before a log was renamed, when nobody asked for long", async () => {
  const directory = temporary()
  const file = join(directory.path, "access.log")
  writeFileSync(file, "one\n")
  const handle = await open(file, "r")
  let ended: Ended | undefined
  const chunks = liveChunks(0, {
    ...{ file, handle, firstLine: firstLineOf(Buffer.from("one\n")) ?? "", settleMs: 0, pollMs: 1 },
    signal: new AbortController().signal,
    onEnd: (how) => {
      ended = how
    },
  })
  const next = async (): Promise<string | undefined> => (await chunks.next()).value?.toString()
  expect(await next()).toBe("one\n")
  expect(await next()).toBe("")
  // The server is away: the next chunk is asked for when the log was written to, and rotated long ago.
  appendFileSync(file, "two\n")
  renameSync(file, `${file}.1`)
  writeFileSync(file, "three\n")
  const rest: Array<string> = []
  for (let text = await next(); text !== undefined; text = await next()) rest.push(text)
  expect(rest.join("")).toBe("two\n")
  expect(ended).toBe("renamed")
  await handle.close()
  directory.remove()
})
