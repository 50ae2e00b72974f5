import { isIPv4 } from "node:net"

/**
 * Writes files in MaxMind DB format (version 2.0 of its specification), as far as tests need it: records of
 * 32 bits, every data record written out, maps, texts and unsigned numbers.
 */
export type Value = string | number | { readonly [name: string]: Value }

export interface Network {
  /** `203.0.113.0/24`, `2001:db8::/32`. */
  readonly cidr: string
  readonly record: Value
}

const head = (type: number, size: number): Buffer => {
  const extended = type > 7
  const kind = extended ? 0 : type << 5
  const more = extended ? [type - 7] : []
  if (size < 29) return Buffer.from([kind | size, ...more])
  if (size < 285) return Buffer.from([kind | 29, ...more, size - 29])
  throw new Error("longer values are not needed in tests")
}

const unsigned = (type: number, value: number): Buffer => {
  const digits = value === 0 ? "" : value.toString(16)
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex")
  return Buffer.concat([head(type, bytes.length), bytes])
}

const TEXT = 2
const UINT16 = 5
const UINT32 = 6
const MAP = 7
const UINT64 = 9

const encode = (value: Value): Buffer => {
  if (typeof value === "number") return unsigned(UINT32, value)
  if (typeof value === "string") {
    const bytes = Buffer.from(value, "utf8")
    return Buffer.concat([head(TEXT, bytes.length), bytes])
  }
  const entries = Object.entries(value)
  return Buffer.concat([head(MAP, entries.length), ...entries.flatMap(([k, v]) => [encode(k), encode(v)])])
}

/** The bits of an address, 32 or 128 of them. */
const bitsOf = (address: string): string => {
  if (isIPv4(address)) {
    return address
      .split(".")
      .map((octet) => Number(octet).toString(2).padStart(8, "0"))
      .join("")
  }
  const [left = "", right] = address.split("::")
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"))
  const [first, last] = [groups(left), groups(right ?? "")]
  const all = [...first, ...new Array<string>(8 - first.length - last.length).fill("0"), ...last]
  return all.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0")).join("")
}

interface Node {
  /** Below it, or the number of a data record; undefined where nothing is known. */
  readonly sides: [Node | number | undefined, Node | number | undefined]
  number: number
}

const newNode = (below?: number): Node => ({ sides: [below, below], number: 0 })

/** Networks from wide to narrow, so that a nested one replaces a part of that around it. */
const treeOf = (networks: ReadonlyArray<Network>, version: 4 | 6): Node => {
  const root = newNode()
  const paths = networks.map(({ cidr }, record) => {
    const [address = "", length = ""] = cidr.split("/")
    const v4InV6 = version === 6 && isIPv4(address)
    // IPv4 lies at the beginning of a tree of IPv6.
    return { bits: `${v4InV6 ? "0".repeat(96) : ""}${bitsOf(address).slice(0, Number(length))}`, record }
  })
  for (const { bits, record } of paths.sort((a, b) => a.bits.length - b.bits.length)) {
    let node = root
    for (let at = 0; at < bits.length - 1; at += 1) {
      const side = Number(bits[at])
      const next = node.sides[side]
      // A wider network is here: both halves have its record, until one is replaced.
      if (typeof next !== "object") node.sides[side] = newNode(next)
      node = node.sides[side] as Node
    }
    node.sides[Number(bits.at(-1))] = record
  }
  return root
}

/** The content of a file that answers with the record of the narrowest network around an address. */
export const writeMmdb = (networks: ReadonlyArray<Network>, version: 4 | 6 = 6): Buffer => {
  const nodes: Node[] = []
  const number = (node: Node): void => {
    node.number = nodes.length
    nodes.push(node)
    for (const side of node.sides) if (typeof side === "object") number(side)
  }
  number(treeOf(networks, version))
  const records = networks.map(({ record }) => encode(record))
  const places = records.map((_, at) => records.slice(0, at).reduce((sum, { length }) => sum + length, 0))
  const tree = Buffer.alloc(nodes.length * 8)
  for (const node of nodes) {
    node.sides.forEach((side, at) => {
      const value =
        side === undefined
          ? nodes.length
          : typeof side === "number"
            ? nodes.length + 16 + (places[side] as number)
            : side.number
      tree.writeUInt32BE(value, node.number * 8 + at * 4)
    })
  }
  const metadata = [
    ["binary_format_major_version", unsigned(UINT16, 2)],
    ["binary_format_minor_version", unsigned(UINT16, 0)],
    ["build_epoch", unsigned(UINT64, 1_790_000_000)],
    ["database_type", encode("Test-Country")],
    ["ip_version", unsigned(UINT16, version)],
    ["node_count", unsigned(UINT32, nodes.length)],
    ["record_size", unsigned(UINT16, 32)],
  ] as const
  return Buffer.concat([
    tree,
    Buffer.alloc(16),
    ...records,
    Buffer.from("\xab\xcd\xefMaxMind.com", "latin1"),
    head(MAP, metadata.length),
    ...metadata.flatMap(([name, value]) => [encode(name), value]),
  ])
}
