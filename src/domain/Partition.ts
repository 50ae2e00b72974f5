/**
 * The unit of everything that is placed: hosting, processing, subscribing. The number is fixed when a
 * log is created, because it is part of every stream's name.
 */
export const PARTITIONS = 256

export type Partition = number

/** The reserved merchant that owns requests sent without a merchant. */
export const SYSTEM = "_system"

/**
 * FNV-1a over UTF-8 bytes, 32 bits, folded to the number of partitions.
 * The names of stored streams depend on it: it can never change.
 */
const hash = (text: string): number => {
  let h = 0x811c9dc5
  for (const byte of Buffer.from(text, "utf8")) {
    h ^= byte
    h = Math.imul(h, 0x01000193)
  }
  h ^= h >>> 16
  return (h >>> 0) % PARTITIONS
}

/** Where a merchant and all its clients live; in the reserved space each client is placed by itself. */
export const partitionOf = (merchantId: string, clientId?: string): Partition =>
  merchantId === SYSTEM && clientId !== undefined ? hash(clientId) : hash(merchantId)

const digits = (partition: Partition): string => String(partition).padStart(3, "0")

export const merchantStream = (partition: Partition, merchantId: string): string =>
  `merchant-${digits(partition)}.${merchantId}`

export const clientStream = (partition: Partition, clientKey: string): string =>
  `client-${digits(partition)}.${clientKey}`

/** What the names of all streams of Tidemark begin with: a server may have others. */
export const OWN_STREAMS: ReadonlyArray<string> = ["merchant-", "client-"]

export interface StreamName {
  readonly kind: "merchant" | "client"
  readonly partition: Partition
  /** The merchant id of a merchant's stream, the client key of a client's. */
  readonly owner: string
}

const pattern = /^(merchant|client)-([0-9]{3})\.([^~]+)(?:~.*)?$/

/** Undefined for a stream that is not Tidemark's. */
export const parseStream = (stream: string): StreamName | undefined => {
  const match = pattern.exec(stream)
  return match === null
    ? undefined
    : { kind: match[1] as "merchant" | "client", partition: Number(match[2]), owner: match[3] as string }
}

/**
 * The same of a stream's partition alone, without a regular expression: it is asked for every event that is folded.
 * `from`: where the name begins in the text.
 */
export const partitionOfStream = (stream: string, from = 0): Partition | undefined => {
  const length = stream.startsWith("merchant-", from) ? 9 : stream.startsWith("client-", from) ? 7 : -1
  if (length < 0) return undefined
  let partition = 0
  for (let at = from + length; at < from + length + 3; at++) {
    const digit = stream.charCodeAt(at) - 48
    if (!(digit >= 0 && digit <= 9)) return undefined
    partition = partition * 10 + digit
  }
  return partition < PARTITIONS ? partition : undefined
}

/** The prefixes of all streams of a partition, for subscriptions. */
export const prefixesOf = (partition: Partition): ReadonlyArray<string> => [
  `merchant-${digits(partition)}.`,
  `client-${digits(partition)}.`,
]
