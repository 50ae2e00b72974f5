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

/**
 * `throwOnAppendFailure=false` makes the client return a wrong revision in the place of an error, so that is
 * never left to the text: the last of two settings counts.
 */
const settled = (connection: string): string => {
  const text = connection.trim().replace(/\/+$/, "")
  return `${text}${text.includes("?") ? "&" : "?"}throwOnAppendFailure=true`
}

/** A client for the text. Throws MalformedConnection. It connects on its first call. */
const clientOf = (module: ClientModule, connection: string): Client => {
  try {
    return module.EventStoreDBClient.connectionString(settled(connection))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new MalformedConnection({ reason: withoutPassword(reason) })
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
