// A fastify server for bench/monitor.mjs, without the monitor or with it. Talks to its parent over IPC.
//   node monitored.mjs none | node monitored.mjs URL KEY SPOOL
import fastify from "fastify"
import { fastifyMonitor, openMonitor } from "../../packages/monitor/dist/index.js"

const [url, key, spool] = process.argv.slice(2)
const reports = []
const monitor =
  url === "none"
    ? undefined
    : openMonitor({ url, key, spool, onReport: ({ kind, message }) => reports.push(`${kind}: ${message}`) })
const app = fastify()
if (monitor !== undefined) {
  app.register(fastifyMonitor(monitor, { clientId: (request) => request.headers["x-client"] }))
}
app.get("/api/products/:id", (request) => ({ id: request.params.id, ok: true }))

process.on("message", async (what) => {
  if (what === "close") {
    await app.close()
    await monitor?.close(0)
  }
  const { user, system } = process.cpuUsage()
  process.send({
    cpuUs: user + system,
    counters: monitor?.counters(),
    reports,
    memory: process.memoryUsage.rss(),
  })
  if (what === "close") process.disconnect()
})
process.send({ url: await app.listen({ port: 0, host: "127.0.0.1" }) })
