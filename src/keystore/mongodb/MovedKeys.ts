import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { KeyFile } from "../embedded/KeyFile.js"
import type { MongoKeys } from "./MongoKeyStore.js"

const AT_ONCE = 1_000

/**
 * Moves the keys that a program with embedded stores has left in the directory: without them everyone whom the log
 * knows would read as erased. The file goes when all of them are in MongoDB, so that forgetting forgets. Gives
 * their number.
 */
export const moveKeys = async (directory: string, keys: MongoKeys): Promise<number> => {
  if (!existsSync(join(directory, "keys.sqlite"))) return 0
  const file = new KeyFile(directory, "write")
  let moved = 0
  try {
    for (let after = ""; ; ) {
      const rows = file.beyond(after, AT_ONCE)
      const last = rows.at(-1)
      if (last === undefined) break
      after = last.client
      moved += rows.length
      const secrets = new Map<string, Uint8Array>()
      for (const { client, secret } of rows) {
        if (secret === null) await keys.forget(client)
        else secrets.set(client, secret)
      }
      if (await keys.insert(secrets)) continue
      // They were moved before, by a program that did not come to the end.
      const stored = await keys.durable([...secrets.keys()])
      const other = [...secrets].filter(([client, secret]) => stored.get(client)?.equals(secret) === false)
      if (other.length > 0)
        throw new Error(
          `MongoDB has other keys than ${directory} for ${other.length} clients: this database belongs to another log. Name an empty one`,
        )
    }
    file.scrub()
  } finally {
    file.close()
  }
  for (const suffix of ["", "-wal", "-shm"]) rmSync(join(directory, `keys.sqlite${suffix}`), { force: true })
  return moved
}
