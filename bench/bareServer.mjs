// Bare node:http that parses each body and answers: what Tidemark's collecting is measured against.
import { createServer } from "node:http"

const server = createServer((req, res) => {
  const parts = []
  req.on("data", (part) => parts.push(part))
  req.on("end", () => {
    const events = JSON.parse(parts.length === 1 ? parts[0] : Buffer.concat(parts))
    const text = JSON.stringify({
      accepted: Array.isArray(events) ? events.length : 1,
      duplicates: 0,
      rejected: [],
    })
    res.writeHead(202, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
    res.end(text)
  })
})
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`))
