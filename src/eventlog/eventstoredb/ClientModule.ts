import { createRequire } from "node:module"
import { dirname, sep } from "node:path"

export type ClientModule = typeof import("@eventstore/db-client")
export type Client = ReturnType<ClientModule["EventStoreDBClient"]["connectionString"]>

const require = createRequire(import.meta.url)
const entry = "@eventstore/db-client"
const inUse = new Set<ClientModule>()

/** Anew, with tables of its own: nothing but the package's own modules is loaded a second time. */
const load = (): ClientModule => {
  const own = dirname(require.resolve(entry)) + sep
  for (const file of Object.keys(require.cache)) if (file.startsWith(own)) delete require.cache[file]
  return require(entry) as ClientModule
}

let shared: ClientModule | undefined

/**
 * The client's modules, for one log alone until it gives them back. The client keeps the pending appends of
 * all its instances in one table: when the call of one breaks, those of all the others are rejected, and an
 * answer that comes for them afterwards throws where nobody can catch it.
 */
export const takeClientModule = (): { readonly module: ClientModule; readonly release: () => void } => {
  shared ??= require(entry) as ClientModule
  const module = inUse.has(shared) ? load() : shared
  inUse.add(module)
  return { module, release: () => inUse.delete(module) }
}
