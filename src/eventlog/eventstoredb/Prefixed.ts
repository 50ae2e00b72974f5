import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { EventLogService } from "../EventLog.js"

/**
 * What the name of every stream of one Tidemark may begin with, so that several share a server. Another log's
 * streams must never look like this one's: so no prefix has in it how the name of a stream begins.
 */
const pattern = /^(?!.*(?:merchant-|client-))[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

export const isPrefix = (text: string): boolean => pattern.test(text)

/**
 * The log under names that begin with the prefix on the server, and without it for everybody else. The log that is
 * given has to be opened so that nothing but streams with the prefix belongs to it.
 */
export const prefixed = (log: EventLogService, prefix: string): EventLogService => {
  const plain = <A extends { readonly stream: string }>(one: A): A => ({
    ...one,
    stream: one.stream.slice(prefix.length),
  })
  const all = <A extends { readonly prefixes?: ReadonlyArray<string> }>(options: A): A =>
    options.prefixes === undefined
      ? options
      : { ...options, prefixes: options.prefixes.map((one) => prefix + one) }
  return {
    append: (appends) =>
      Effect.map(log.append(appends.map((one) => ({ ...one, stream: prefix + one.stream }))), (outcomes) =>
        outcomes.map((one) => (one._tag === "Appended" ? one : plain(one))),
      ),
    readStream: (stream, options) =>
      Stream.map(log.readStream(prefix + stream, options), (events) => events.map(plain)),
    readAll: (options) => Stream.map(log.readAll(all(options)), (events) => events.map(plain)),
    subscribe: (options) =>
      Stream.map(log.subscribe(all(options)), ({ events, upTo }) => ({ events: events.map(plain), upTo })),
    head: log.head,
  }
}
