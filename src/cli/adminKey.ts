import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** The directory where `tidemark serve` on this machine keeps its files, as the environment says. */
export const dataDirectoryHere = (): string => process.env.TIDEMARK_DATA_DIR ?? "./data"

const keptKey = (): string | undefined => {
  const given = process.env.TIDEMARK_ADMIN_KEY
  if (given !== undefined && given !== "") return given
  const file = join(dataDirectoryHere(), "admin.key")
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined
}

/** The key to send with: the given one, else that of the environment, else the one in the data directory. */
export const adminKey = (given: string | undefined): string => {
  const key = given ?? keptKey()
  if (key === undefined) {
    throw new Error("no key: give --key, set TIDEMARK_ADMIN_KEY, or run where the data directory is")
  }
  return key
}
