// Sends requests at a fixed rate whatever the answers do, and prints what it measured as JSON.
//   node openLoop.mjs URL RATE SECONDS CLIENTS
// A request has a connection to itself while it is under way: one slow answer holds up no other.
import { connect } from "node:net"

const [url, rateText, secondsText, clientsText] = process.argv.slice(2)
const { hostname, port } = new URL(url)
const rate = Number(rateText)
const total = Math.round(rate * Number(secondsText))
const clients = Number(clientsText)
const AGENT =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
const END = Buffer.from('"ok":true}')

const fromWrite = new Float64Array(total)
const fromSchedule = new Float64Array(total)
const idle = []
let sent = 0
let answered = 0
let failed = 0

const open = () => {
  const socket = connect(Number(port), hostname)
  socket.setNoDelay(true)
  socket.on("data", (part) => {
    if (!part.subarray(-END.length).equals(END)) return
    const now = performance.now()
    fromWrite[answered] = now - socket.writtenAt
    fromSchedule[answered] = now - socket.dueAt
    answered++
    idle.push(socket)
  })
  socket.on("error", () => failed++)
  return socket
}

const began = performance.now() + 100
const tick = () => {
  const now = performance.now()
  while (sent < total) {
    const dueAt = began + (sent * 1000) / rate
    if (dueAt > now) break
    const socket = idle.pop() ?? open()
    socket.dueAt = dueAt
    socket.writtenAt = performance.now()
    socket.write(
      `GET /api/products/${sent}?session=abcdef HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: ${AGENT}\r\nX-Client: c${sent % clients}\r\n\r\n`,
    )
    sent++
  }
  if (sent < total) setTimeout(tick, 1)
  else finish(performance.now() + 30_000)
}

const finish = (deadline) => {
  if (answered + failed < total && performance.now() < deadline) return setTimeout(finish, 10, deadline)
  const at = (values, share) =>
    values.subarray(0, answered).toSorted()[Math.min(answered - 1, Math.floor(answered * share))]
  const of = (values) => ({ p50: at(values, 0.5), p99: at(values, 0.99), p999: at(values, 0.999) })
  console.log(JSON.stringify({ sent, answered, fromWrite: of(fromWrite), fromSchedule: of(fromSchedule) }))
  process.exit(0)
}
setTimeout(tick, 100)
