import { type ChildProcess, spawn } from "node:child_process"
import { createServer, get, type RequestListener, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import express from "express"
import fastify from "fastify"
import { describe, expect, it, onTestFinished } from "vitest"
import {
  expressMonitor,
  fastifyMonitor,
  httpMonitor,
  type Monitor,
  openMonitor,
} from "../../packages/monitor/src/index.js"
import type { StoredEvent } from "../../src/domain/Event.js"
import { runningTidemark } from "../support/runningTidemark.js"
import { storedEvents } from "../support/storedEvents.js"
import { ADMIN_KEY, projectRoot } from "../support/TidemarkProcess.js"
import { temporary } from "../support/temporary.js"
import { until } from "../support/until.js"

const tidemark = runningTidemark()

/** All requests that the log holds of paths that begin so. */
const requestsOf = async (path: string): Promise<ReadonlyArray<StoredEvent>> =>
  (await storedEvents(tidemark.dataDir)).filter(
    ({ type, data }) => type === "request" && data.path?.startsWith(path) === true,
  )

const openHere = (): Monitor => {
  const spool = temporary()
  const monitor = openMonitor({
    ...{ url: tidemark.url, key: ADMIN_KEY, spool: spool.path },
    ...{ flushEveryMs: 20, sendEveryMs: 20, pauseMs: 100 },
  })
  onTestFinished(async () => {
    await monitor.close(0)
    spool.remove()
  })
  return monitor
}

const clientOf = ({ headers }: { readonly headers: Readonly<Record<string, unknown>> }): string | undefined =>
  headers["x-client"] as string | undefined

const listening = async (listener: RequestListener): Promise<string> => {
  const server: Server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What the package's README says that a kill can cost. */
const DOCUMENTED_MS = 1_000

type Told = Parameters<typeof httpMonitor>[2]

/** A server of each kind that answers `/shop/…` with its path and lets `/slow` wait for ever. */
const servers: Readonly<Record<string, (monitor: Monitor, told: Told) => Promise<string>>> = {
  "node:http": (monitor, told) =>
    listening(
      httpMonitor(
        monitor,
        ({ url }, response) => {
          if (url?.startsWith("/slow") !== true) response.end(url)
        },
        told,
      ),
    ),
  fastify: async (monitor, told) => {
    const app = fastify()
    app.register(
      fastifyMonitor(monitor, {
        clientId: ({ raw }) => told?.clientId?.(raw),
        ...(told?.address === undefined ? {} : { address: ({ raw }) => told.address?.(raw) }),
        ignore: ({ raw }) => told?.ignore?.(raw) ?? false,
      }),
    )
    app.register(async (inner) => {
      inner.get("/*", (request) => request.url)
      inner.get("/slow", () => new Promise(() => {}))
    })
    onTestFinished(() => app.close())
    return app.listen({ port: 0, host: "127.0.0.1" })
  },
  express: (monitor, told) => {
    const app = express()
    app.use(
      expressMonitor(monitor, {
        clientId: (request) => told?.clientId?.(request),
        ...(told?.address === undefined ? {} : { address: (request) => told.address?.(request) }),
        ignore: (request) => told?.ignore?.(request) ?? false,
      }),
    )
    const inner = express.Router()
    inner.get("/*path", (request, response) => void response.send(request.originalUrl))
    app.get("/slow", () => {})
    app.use("/shop", inner)
    return listening(app)
  },
}

describe.each(Object.entries(servers))("requests of %s", (name, serve) => {
  const place = `/shop/${name.replace(":", "-")}`

  it("are in Tidemark once each, with path, method, time, client and address, and without the query", async () => {
    const monitor = openHere()
    const client = `${name} client`
    const url = await serve(monitor, { clientId: clientOf, ignore: ({ url }) => url === `${place}/health` })
    const before = Date.now()
    const ask = (path: string): Promise<Response> =>
      fetch(url + place + path, { headers: { "x-client": client, "user-agent": "tests/1" } })
    expect(await (await ask("/0?token=secret")).text()).toBe(`${place}/0?token=secret`)
    await Promise.all(Array.from({ length: 50 }, (_, number) => ask(`/${number + 1}`)))
    await ask("/health")
    const after = Date.now()
    await until("sent", 20_000, () => monitor.counters().accepted === 51)
    const stored = await requestsOf(place)
    expect(stored.map(({ data }) => data.path).sort()).toEqual(
      Array.from({ length: 51 }, (_, number) => `${place}/${number}`).sort(),
    )
    for (const { at, data } of stored) {
      expect(at).toBeGreaterThanOrEqual(before)
      expect(at).toBeLessThanOrEqual(after)
      expect(data).toMatchObject({ method: "GET", address: "127.0.0.0", merchantId: "_system" })
    }
    expect(new Set(stored.map(({ data }) => data.clientKey)).size).toBe(1)
    await until("folded", 20_000, async () => {
      const query = "query ($id: ID!) { client(clientId: $id) { requests ip } }"
      const { client: seen } = await tidemark.graphql(query, { id: client })
      return seen?.requests === 51 && seen.ip === "127.0.0.1"
    })
  })

  it("are noted when nothing answers to their path", async () => {
    const monitor = openHere()
    const url = await serve(monitor, {})
    await (await fetch(`${url}/nowhere${place}`, { method: "POST" })).text()
    await until("sent", 20_000, () => monitor.counters().accepted === 1)
    expect((await requestsOf(`/nowhere${place}`)).map(({ data }) => data.method)).toEqual(["POST"])
  })

  it("are noted when the client goes away before the answer", async () => {
    const monitor = openHere()
    const url = await serve(monitor, {})
    const request = get(`${url}/slow${place}`)
    request.on("error", () => {})
    request.on("socket", (socket) => socket.on("connect", () => setTimeout(() => request.destroy(), 50)))
    await until("sent", 20_000, () => monitor.counters().accepted === 1)
    expect((await requestsOf(`/slow${place}`)).map(({ data }) => data.address)).toEqual(["127.0.0.0"])
  })

  it("are answered and noted when a function of the application throws", async () => {
    const monitor = openHere()
    const url = await serve(monitor, {
      clientId: () => {
        throw new Error("of the application")
      },
    })
    expect((await fetch(`${url}${place}/throws`)).status).toBe(200)
    await until("sent", 20_000, () => monitor.counters().accepted === 1)
    expect(monitor.counters().failedOptions).toBe(1)
  })

  it("are noted without what is no text, when a function of the application gives that", async () => {
    const monitor = openHere()
    const given: Array<unknown> = [null, "", { id: 1 }]
    const url = await serve(monitor, {
      clientId: () => given.shift() as string,
      address: () => null as unknown as string,
    })
    const headers = { "user-agent": "tests/1" }
    for (const path of ["/null", "/empty", "/object"]) {
      expect((await fetch(url + place + path, { headers })).status).toBe(200)
    }
    await until("sent", 20_000, () => monitor.counters().accepted === 3)
    expect(monitor.counters()).toMatchObject({ failedOptions: 1, rejected: 0 })
    // All three are the one client that address and user agent make.
    const stored = (await requestsOf(place)).filter(({ data }) =>
      /(null|empty|object)$/.test(data.path ?? ""),
    )
    expect(new Set(stored.map(({ data }) => data.clientKey)).size).toBe(1)
  })
})

/** The server of `watchedServer.mjs`, started anew on the same spool as often as one likes. */
const watched = (spool: string) => {
  const program = join(projectRoot, "test", "support", "watchedServer.mjs")
  let child: ChildProcess
  return {
    start: async (): Promise<string> => {
      child = spawn(process.execPath, [program, tidemark.url, ADMIN_KEY, spool], {
        stdio: ["ignore", "pipe", "inherit"],
      })
      let text = ""
      child.stdout?.on("data", (part) => {
        text += part
      })
      await until("the watched server listens", 30_000, () => /http:\S+/.test(text))
      return /http:\S+/.exec(text)?.[0] as string
    },
    end: async (signal: NodeJS.Signals): Promise<void> => {
      const ended = new Promise((resolve) => child.once("exit", resolve))
      child.kill(signal)
      await ended
    },
  }
}

/** The numbers that paths end in, as they lie in the log. */
const numbersOf = async (path: string): Promise<ReadonlyArray<number>> =>
  (await requestsOf(path)).map(({ data }) => Number(data.path?.slice(path.length)))

describe("a watched process", () => {
  it("keeps requests while Tidemark is down; afterwards nothing is missing", async () => {
    const spool = temporary()
    const server = watched(spool.path)
    const url = await server.start()
    await fetch(`${url}/down/0`)
    await until("the first is there", 20_000, async () => (await numbersOf("/down/")).length === 1)
    await tidemark.kill()
    for (let number = 1; number < 300; number += 1) await fetch(`${url}/down/${number}`)
    await tidemark.start()
    await until("all are there", 60_000, async () => (await numbersOf("/down/")).length >= 300, 200)
    expect((await numbersOf("/down/")).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 300 }, (_, number) => number),
    )
    await server.end("SIGTERM")
    spool.remove()
  })

  it("loses by kill -9 what was noted in the second before at most, and nothing that was spooled", async () => {
    const spool = temporary()
    const server = watched(spool.path)
    const due: number[] = []
    let number = 0
    for (let round = 0; round < 4; round++) {
      // In every second round Tidemark is away, so that only the spool has what the killed process saw.
      if (round % 2 === 1) await tidemark.kill()
      const url = await server.start()
      const asked: Array<{ readonly number: number; readonly answeredAt: number }> = []
      const end = performance.now() + 1_200 + 400 * round
      while (performance.now() < end) {
        await fetch(`${url}/killed/${number}`)
        asked.push({ number: number++, answeredAt: performance.now() })
      }
      const { spooled } = (await (await fetch(`${url}/counters`)).json()) as { readonly spooled: number }
      await server.end("SIGKILL")
      const killedAt = performance.now()
      const kept = asked.filter(
        ({ answeredAt }, index) => index < spooled || answeredAt < killedAt - DOCUMENTED_MS,
      )
      due.push(...kept.map((one) => one.number))
      if (round % 2 === 1) await tidemark.start()
    }
    await server.start()
    await until(
      "what was spooled is there",
      60_000,
      async () => {
        const there = new Set(await numbersOf("/killed/"))
        return due.every((one) => there.has(one))
      },
      200,
    )
    await server.end("SIGTERM")
    const there = await numbersOf("/killed/")
    expect(new Set(there).size).toBe(there.length)
    console.log(
      `kill -9 four times: ${number} requests answered, ${number - there.length} lost with the memory`,
    )
    spool.remove()
  })
})
