import * as Data from "effect/Data"
import { type Client, type ClientModule, takeClientModule } from "./ClientModule.js"

/** The text does not say how to reach EventStoreDB. Never shows the password. */
export class MalformedConnection extends Data.TaggedError("MalformedConnection")<{
  readonly reason: string
}> {
  override get message(): string {
    return `this is no connection to EventStoreDB: ${this.reason}. It looks like esdb://user:password@host:2113?tls=true`
  }
}

const withoutPassword = (text: string): string => text.replace(/\/\/[^@/?]*@/g, "//***@")

const KEEP_ALIVE_MS = 10_000
let made = 0

/** Milliseconds that the text gives the server to answer a ping, or what the client would take. */
const keepAliveOf = (text: string): number => {
  const given = Number(/[?&]keep[-_]?alive[-_]?timeout=(\d+)/i.exec(text)?.[1] ?? KEEP_ALIVE_MS)
  return given > 0 ? given : KEEP_ALIVE_MS
}

/**
 * The text with what is never left to it; the last of two settings counts. `throwOnAppendFailure=false`
 * makes the client return a wrong revision in the place of an error. And clients whose settings are all
 * equal share one connection without being asked, with its 100 calls and its faults: no two are.
 */
const settled = (connection: string): string => {
  const text = connection.trim().replace(/\/+$/, "")
  const keepAlive = keepAliveOf(text) + (made++ % 1_000)
  return `${text}${text.includes("?") ? "&" : "?"}throwOnAppendFailure=true&keepAliveTimeout=${keepAlive}`
}

/** A client for the text. Throws MalformedConnection. It connects on its first call. */
const clientOf = (module: ClientModule, connection: string): Client => {
  try {
    return module.EventStoreDBClient.connectionString(settled(connection))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new MalformedConnection({ reason: withoutPassword(reason).replace(/\.$/, "") })
  }
}

/** A client with modules of its own. */
export interface Connection {
  readonly client: Client
  /** One more, of the same modules: for calls that append nothing. Whoever asks for it disposes it. */
  readonly another: () => Client
  readonly close: () => Promise<void>
}

/** Throws MalformedConnection. */
export const connect = (text: string): Connection => {
  const { module, release } = takeClientModule()
  try {
    const client = clientOf(module, text)
    // Without this the process would not end: the client keeps its call for appends open.
    return { client, another: () => clientOf(module, text), close: () => client.dispose().finally(release) }
  } catch (cause) {
    release()
    throw cause
  }
}

export const isConnection = (text: string): boolean => /^esdb(\+discover)?:\/\//.test(text)

/** Undefined when a client can be made of it. */
export const faultOf = (connection: string): MalformedConnection | undefined => {
  try {
    void connect(connection).close()
    return undefined
  } catch (cause) {
    if (cause instanceof MalformedConnection) return cause
    throw cause
  }
}
