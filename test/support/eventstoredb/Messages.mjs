// The published messages, as the client package carries them, and how the stand-in fills them.
import { createRequire } from "node:module"

const require = createRequire(import.meta.url)
const generated = (name) => require(`@eventstore/db-client/generated/${name}`)

export const streams = generated("streams_pb.js")
export const shared = generated("shared_pb.js")
export const status = generated("status_pb.js")
export const features = generated("serverfeatures_pb.js")
export const gossip = generated("gossip_pb.js")
export const { StreamsService } = generated("streams_grpc_pb.js")
export const { ServerFeaturesService } = generated("serverfeatures_grpc_pb.js")
export const { GossipService } = generated("gossip_grpc_pb.js")
// Those that belong to the client's copy of the library: messages of two copies don't mix.
const clientRequire = createRequire(require.resolve("@eventstore/db-client"))
export const { Any } = clientRequire("google-protobuf/google/protobuf/any_pb.js")
export const { Empty: GoogleEmpty } = clientRequire("google-protobuf/google/protobuf/empty_pb.js")

export const identifier = (name) => {
  const made = new shared.StreamIdentifier()
  made.setStreamName(Uint8Array.from(Buffer.from(name, "utf8")))
  return made
}

export const nameOf = (message) => Buffer.from(message.getStreamName_asU8()).toString("utf8")

export const uuid = (text) => {
  const made = new shared.UUID()
  made.setString(text)
  return made
}

/** An event as a reader gets it: 23.10 says the position in reads of streams as well. */
export const readEvent = (record) => {
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent()
  recorded.setId(uuid(record.id))
  recorded.setStreamIdentifier(identifier(record.stream))
  recorded.setStreamRevision(String(record.revision))
  recorded.setCommitPosition(String(record.position))
  recorded.setPreparePosition(String(record.position))
  recorded.getMetadataMap().set("type", record.type)
  recorded.getMetadataMap().set("content-type", record.contentType)
  recorded.getMetadataMap().set("created", String(BigInt(record.created) * 10_000n))
  recorded.setData(new Uint8Array(record.data))
  recorded.setCustomMetadata(new Uint8Array(record.metadata))
  const event = new streams.ReadResp.ReadEvent()
  event.setEvent(recorded)
  event.setCommitPosition(String(record.position))
  const response = new streams.ReadResp()
  response.setEvent(event)
  return response
}

export const proposed = (message) => ({
  id: message.getId().getString(),
  type: message.getMetadataMap().get("type"),
  contentType: message.getMetadataMap().get("content-type"),
  data: Buffer.from(message.getData_asU8()),
  metadata: Buffer.from(message.getCustomMetadata_asU8()),
})

/** An error of one batched append: a status whose details are one of the published messages. */
export const errorStatus = (code, text, name, details) => {
  const any = new Any()
  any.pack(details.serializeBinary(), name)
  const made = new status.Status()
  made.setCode(code)
  made.setMessage(text)
  made.setDetails(any)
  return made
}
