import {
  appendFileSync,
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { basename, join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Running, runCommand, startCommand, summaryOf } from "../support/Command.js"
import { runningTidemark } from "../support/runningTidemark.js"
import { storedEvents } from "../support/storedEvents.js"
import { type Temporary, temporary } from "../support/temporary.js"
import { until } from "../support/until.js"

const tidemark = runningTidemark()

let directory: Temporary
let file: string
let merchant: string
let tests = 0
let follower: Running | undefined
/** Paths of all lines that were written, in order. */
let written: string[]

beforeEach(() => {
  directory = temporary()
  file = join(directory.path, "access.log")
  merchant = `followed-${++tests}`
  written = []
})
afterEach(async () => {
  follower?.child.kill("SIGKILL")
  const left = await follower?.ended
  if (left !== undefined) console.log(left.stderr)
  follower = undefined
  directory.remove()
})

const line = (): string => {
  const number = written.length
  const path = `/${merchant}/${number}`
  written.push(path)
  const second = String(number % 60).padStart(2, "0")
  const minute = String(Math.floor(number / 60) % 60).padStart(2, "0")
  return `192.0.2.${number % 50} - - [21/Nov/2026:10:${minute}:${second} +0000] "GET ${path} HTTP/1.1" 200 5 "-" "tests/${number % 3}"\n`
}
const lines = (count: number): string => Array.from({ length: count }, line).join("")
const write = (count: number): void => appendFileSync(file, lines(count))

const follow = (...more: ReadonlyArray<string>): void => {
  const args = ["follow", "access-log", file, "--url", tidemark.url, "--settle", "0.3", "--json", ...more]
  follower = startCommand(tidemark.dataDir, args)
}
const followShop = (): void => follow("--merchant", merchant)

const end = async (signal: NodeJS.Signals): Promise<Awaited<Running["ended"]>> => {
  const running = follower as Running
  follower = undefined
  running.child.kill(signal)
  return running.ended
}

const storedOf = async (type: string) =>
  (await storedEvents(tidemark.dataDir)).filter(
    (event) => event.type === type && event.data.path?.startsWith(`/${merchant}/`) === true,
  )

const allThere = (): Promise<void> =>
  until(
    "all lines are there",
    30_000,
    async () => {
      const there = new Set((await storedOf("request")).map(({ data }) => data.path))
      return written.every((path) => there.has(path))
    },
    100,
  )

/** Everything is there, in order, once: as request and as page view. */
const expectExactly = async (): Promise<void> => {
  await allThere()
  for (const type of ["request", "pageview"]) {
    const paths = (await storedOf(type)).map(({ data }) => data.path)
    expect(paths.toSorted()).toEqual(written.toSorted())
  }
}

describe("tidemark follow access-log", () => {
  it("sends what is there and what comes, also half a line at a time, and ends with a summary", async () => {
    followShop()
    write(50)
    await allThere()
    const half = line()
    appendFileSync(file, half.slice(0, 40))
    await new Promise((resolve) => setTimeout(resolve, 600)) // two looks of the follower
    appendFileSync(file, half.slice(40))
    write(10)
    await expectExactly()
    expect(summaryOf(await end("SIGTERM"))).toMatchObject({
      lines: 61,
      accepted: 122,
      duplicates: 0,
      unreadable: 0,
    })
    const ids = (await storedOf("request")).map(({ data }) => data.id)
    expect(ids[0]).toMatch(/^access\.log~[0-9a-f]{12}:0:request$/)
    const offset = Number(ids.at(-1)?.split(":")[1])
    expect(readFileSync(file, "utf8").slice(offset)).toContain(written.at(-1))
  })

  it("loses and doubles nothing when the log is renamed while the server still writes to it", async () => {
    followShop()
    for (let rotation = 0; rotation < 3; rotation++) {
      write(40)
      if (rotation === 0) await allThere()
      const open = openSync(file, "a")
      renameSync(file, `${file}.${rotation + 1}`)
      writeSync(open, lines(20))
      write(30)
      writeSync(open, lines(5))
      closeSync(open)
      await allThere()
    }
    await expectExactly()
  })

  it("loses and doubles nothing when the log is copied and truncated", async () => {
    followShop()
    for (let rotation = 0; rotation < 3; rotation++) {
      write(40)
      if (rotation !== 1) await allThere()
      // Written, copied and truncated before anybody looks, and soon longer than it was.
      write(30)
      if (rotation === 1) {
        const half = line()
        appendFileSync(file, half.slice(0, 40))
        await new Promise((resolve) => setTimeout(resolve, 600)) // two looks of the follower
        appendFileSync(file, half.slice(40))
      }
      copyFileSync(file, `${file}.1`)
      truncateSync(file)
      write(rotation === 2 ? 200 : 10)
      await allThere()
    }
    await expectExactly()
  })

  it("goes on where it was after a stop and after kill -9, however the log was rotated meanwhile", async () => {
    followShop()
    write(40)
    await allThere()
    expect((await end("SIGTERM")).code).toBe(0)
    write(20)
    renameSync(file, `${file}.1`)
    write(30)
    followShop()
    await allThere()
    write(500)
    await end("SIGKILL")
    write(20)
    renameSync(`${file}.1`, `${file}.2`)
    copyFileSync(file, `${file}.1`)
    truncateSync(file)
    write(15)
    // A generation that was there and gone while nobody looked.
    rmSync(`${file}.2`)
    writeFileSync(`${file}.2.gz`, gzipSync(readFileSync(`${file}.1`)))
    const { mtime } = statSync(`${file}.1`)
    utimesSync(`${file}.2.gz`, mtime, mtime)
    rmSync(`${file}.1`)
    renameSync(file, `${file}.1`)
    write(25)
    followShop()
    await expectExactly()
  })

  it("says so when what it had not read is gone", async () => {
    followShop()
    write(5)
    await allThere()
    await end("SIGTERM")
    rmSync(file)
    write(5)
    followShop()
    await expectExactly()
    expect((await end("SIGTERM")).stderr).toMatch(/Where access\.log was last read \(byte \d+ .* is lost/)
  })

  it("waits while Tidemark is away, and goes on", async () => {
    followShop()
    write(20)
    await allThere()
    await tidemark.kill()
    write(30)
    renameSync(file, `${file}.1`)
    write(30)
    renameSync(`${file}.1`, `${file}.2`)
    renameSync(file, `${file}.1`)
    write(30)
    await tidemark.start()
    await expectExactly()
    expect((await end("SIGTERM")).stderr).toContain("The server takes nothing now")
  })

  it("without a merchant sends requests of nobody, and no page views", async () => {
    follow()
    write(20)
    await allThere()
    const stored = await storedOf("request")
    expect(stored.map(({ data }) => data.path).toSorted()).toEqual(written.toSorted())
    expect(new Set(stored.map(({ data }) => data.merchantId))).toEqual(new Set(["_system"]))
    expect(await storedOf("pageview")).toEqual([])
  })

  it("doubles nothing of a log that was imported before", async () => {
    write(30)
    const args = ["access-log", file, "--merchant", merchant, "--url", tidemark.url, "--json"]
    expect(summaryOf(await runCommand(tidemark.dataDir, ["import", ...args]))).toMatchObject({ accepted: 60 })
    write(20)
    followShop()
    await expectExactly()
    expect((await storedOf("request")).every(({ data }) => data.id.startsWith(`${basename(file)}:`))).toBe(
      true,
    )
  })

  it("ends with a clear message when the key is refused", async () => {
    write(1)
    const args = ["follow", "access-log", file, "--url", tidemark.url, "--key", "wrong"]
    const { code, stderr } = await runCommand(tidemark.dataDir, args)
    expect([code, stderr]).toEqual([2, expect.stringMatching(/UNAUTHENTICATED/)])
  })
})
