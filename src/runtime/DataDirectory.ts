import { join } from "node:path"

/** Where the data directory keeps what; docs/architecture.md says which of it can be lost. */
export const dataDirectory = (root: string) => ({
  log: join(root, "log"),
  keys: join(root, "keys"),
  index: join(root, "index"),
  readModels: join(root, "readmodels"),
  quarantine: join(root, "quarantine"),
})
