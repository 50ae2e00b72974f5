// A fastify server with the monitor, in a process of its own that a test may kill.
//   node watchedServer.mjs URL KEY SPOOL
import fastify from "fastify"
import { fastifyMonitor, openMonitor } from "../../packages/monitor/dist/index.js"

const [url, key, spool] = process.argv.slice(2)
const monitor = openMonitor({ url, key, spool, pauseMs: 200 })
const app = fastify()
app.register(
  fastifyMonitor(monitor, {
    clientId: (request) => request.headers["x-client"],
    ignore: ({ raw }) => raw.url === "/counters",
  }),
)
app.get("/counters", () => monitor.counters())
app.get("/*", () => ({ ok: true }))
console.log(await app.listen({ port: 0, host: "127.0.0.1" }))
process.once("SIGTERM", async () => {
  await app.close()
  await monitor.close()
})
