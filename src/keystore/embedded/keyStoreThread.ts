import { parentPort, workerData } from "node:worker_threads"
import { KeyFile } from "./KeyFile.js"
import { type Answer, pack, type Request } from "./KeyMessages.js"

const port = parentPort
if (port === null) throw new Error("keyStoreThread runs as a worker thread only")

const file = new KeyFile((workerData as { directory: string }).directory, "write")

let waiting: Array<Request> = []

const keysOf = (request: Request): Uint8Array =>
  pack(request.clients.map((client) => (request.kind === "ensure" ? file.ensure(client) : file.find(client))))

/** Everything that waits shares one transaction, and so one sync of the disk. */
const work = () => {
  const requests = waiting
  waiting = []
  let answers: Array<Answer> = []
  try {
    file.transaction(() => {
      for (const request of requests) {
        if (request.kind === "forget") for (const client of request.clients) file.forget(client)
        answers.push({ number: request.number, keys: request.kind === "forget" ? pack([]) : keysOf(request) })
      }
    })
    if (requests.some((request) => request.kind === "forget")) file.scrub()
  } catch (error) {
    const failed = error instanceof Error ? error.message : String(error)
    answers = requests.map((request) => ({ number: request.number, failed }))
  }
  const isLast = requests.some((request) => request.kind === "close")
  if (isLast) file.close()
  for (const answer of answers) port.postMessage(answer)
  if (isLast) port.close()
}

port.on("message", (request: Request) => {
  waiting.push(request)
  if (waiting.length === 1) setImmediate(work)
})
