import { createHash } from "node:crypto"
import { readdirSync, statSync } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { HEAD, openSource } from "../import/Source.js"

/**
 * One of the files that follow each other under a log's name. They are told apart by their first line, which stays the
 * same while a file grows, is renamed, copied or compressed: inode numbers don't, and are given again.
 */
export interface Generation {
  readonly path: string
  /** Hash of its first line. */
  readonly firstLine: string
  readonly size: number
  readonly mtimeMs: number
}

const LF = 10

/** Undefined while the first line is not there as a whole. */
export const firstLineOf = (head: Buffer): string | undefined => {
  const end = head.indexOf(LF)
  if (end < 0 && head.length < HEAD) return undefined
  return createHash("sha256")
    .update(end < 0 ? head.subarray(0, HEAD) : head.subarray(0, end))
    .digest("hex")
    .slice(0, 12)
}

export const firstLineIn = async (handle: FileHandle): Promise<string | undefined> => {
  const head = Buffer.alloc(HEAD)
  const { bytesRead } = await handle.read(head, 0, HEAD, 0)
  return firstLineOf(head.subarray(0, bytesRead))
}

const generationOf = async (path: string): Promise<Generation | undefined> => {
  try {
    const { size, mtimeMs } = statSync(path)
    const source = await openSource(path)
    source.close()
    const firstLine = firstLineOf(source.head)
    return firstLine === undefined ? undefined : { path, firstLine, size, mtimeMs }
  } catch {
    // It was taken away, or is being compressed: the next look finds what became of it.
    return undefined
  }
}

/** What rotation puts after a name: a number or a date, and `.gz`. */
const suffix = /^[.-]\d[\dT_.-]*(?:\.gz)?$/

/** The files beside a log that were rotated away from it (`access.log.1`, `access.log-20261121.gz`), oldest first. */
export const rotated = async (file: string): Promise<ReadonlyArray<Generation>> => {
  const name = basename(file)
  const names = readdirSync(dirname(file)).filter(
    (one) => one.startsWith(name) && suffix.test(one.slice(name.length)),
  )
  const found = await Promise.all(names.map((one) => generationOf(join(dirname(file), one))))
  return found
    .filter((one) => one !== undefined)
    .toSorted((a, b) => a.mtimeMs - b.mtimeMs || b.path.localeCompare(a.path))
}
