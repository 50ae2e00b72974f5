// A stand-in for EventStoreDB 23.10, for tests where no server can be had. It serves the published gRPC
// protocol to the real client: appends, reads and subscriptions to $all, on one node. What it does not do it
// refuses with UNIMPLEMENTED.
//   node server.mjs --file FILE [--port 0] [--live-buffer 1000] [--checkpoint-at-end] [--cert FILE --key FILE] [--user NAME:PASSWORD]
// Prints `listening on PORT`. Started with an IPC channel it takes { id, command, ...options } and answers { id, result }.
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { status as code, Server, ServerCredentials } from "@grpc/grpc-js"
import { append, batchAppend } from "./Appends.mjs"
import { Faults } from "./Faults.mjs"
import { Log } from "./Log.mjs"
import {
  features,
  GossipService,
  gossip,
  nameOf,
  ServerFeaturesService,
  StreamsService,
  streams,
  uuid,
} from "./Messages.mjs"
import { read } from "./Reads.mjs"

const { values } = parseArgs({
  options: {
    file: { type: "string" },
    port: { type: "string", default: "0" },
    "live-buffer": { type: "string", default: "1000" },
    "checkpoint-at-end": { type: "boolean", default: false },
    cert: { type: "string" },
    key: { type: "string" },
    user: { type: "string" },
  },
})
const log = new Log(values.file)
const faults = new Faults()
let port = 0

const refused = (name) => (_call, answer) =>
  answer({ code: code.UNIMPLEMENTED, details: `the stand-in does not do ${name}` })

/** What 23.10 says of the services that the client asks about. */
const supportedMethods = (_call, answer) => {
  const result = new features.SupportedMethods()
  result.setEventStoreServerVersion("23.10.0")
  const method = (service, name, list = []) => {
    const made = new features.SupportedMethod()
    made.setServiceName(service)
    made.setMethodName(name)
    made.setFeaturesList(list)
    return made
  }
  const service = "event_store.client.streams.streams"
  result.setMethodsList([
    method(service, "read", ["position", "events"]),
    method(service, "append"),
    method(service, "delete"),
    method(service, "tombstone"),
    method(service, "batchappend", ["deadline_duration"]),
    method("event_store.client.gossip.gossip", "read"),
    method("event_store.client.server_features.serverfeatures", "getsupportedmethods"),
  ])
  answer(null, result)
}

const members = (_call, answer) => {
  const endpoint = new gossip.EndPoint()
  endpoint.setAddress("127.0.0.1")
  endpoint.setPort(port)
  const member = new gossip.MemberInfo()
  member.setInstanceId(uuid(randomUUID()))
  member.setTimeStamp(String(Date.now()))
  member.setState(gossip.MemberInfo.VNodeState.LEADER)
  member.setIsAlive(true)
  member.setHttpEndPoint(endpoint)
  const info = new gossip.ClusterInfo()
  info.setMembersList([member])
  answer(null, info)
}

const softDelete = (call, answer) => {
  log.softDelete(nameOf(call.request.getOptions().getStreamIdentifier()), (commit) => {
    const position = new streams.DeleteResp.Position()
    position.setCommitPosition(String(commit))
    position.setPreparePosition(String(commit))
    const response = new streams.DeleteResp()
    response.setPosition(position)
    answer(null, response)
  })
}

/** Where a user is asked for, each call has to bring that user's name and password. */
const guarded = (handler) => {
  if (values.user === undefined) return handler
  const expected = `Basic ${Buffer.from(values.user).toString("base64")}`
  return (call, answer) => {
    if (call.metadata.get("authorization")[0] === expected) return handler(call, answer)
    const error = {
      code: code.PERMISSION_DENIED,
      details: "Access Denied",
      metadata: faults.trailer({ exception: "access-denied" }),
    }
    if (answer === undefined) call.emit("error", error)
    else answer(error)
  }
}

const server = new Server({
  "grpc.max_receive_message_length": 17 * 1024 * 1024,
  // Kestrel's: the reason why a reader that never gives back its HTTP/2 streams comes to a halt.
  "grpc.max_concurrent_streams": 100,
})
server.addService(StreamsService, {
  read: guarded(
    read(log, faults, {
      liveBuffer: Number(values["live-buffer"]),
      checkpointAtEnd: values["checkpoint-at-end"],
    }),
  ),
  append: guarded(append(log, faults)),
  batchAppend: guarded(batchAppend(log, faults)),
  delete: guarded(softDelete),
  tombstone: refused("tombstones"),
})
server.addService(ServerFeaturesService, { getSupportedMethods: supportedMethods })
server.addService(GossipService, { read: members })

const credentials =
  values.cert === undefined
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(null, [
        { private_key: readFileSync(values.key), cert_chain: readFileSync(values.cert) },
      ])
server.bindAsync(`127.0.0.1:${values.port}`, credentials, (error, bound) => {
  if (error) throw error
  port = bound
  console.log(`listening on ${bound}`)
})

process.on("message", ({ id, command, ...options }) => {
  process.send({ id, result: faults.commands[command](options) })
})
process.on("disconnect", () => process.exit())
process.on("SIGTERM", () => {
  server.forceShutdown()
  process.exit()
})
