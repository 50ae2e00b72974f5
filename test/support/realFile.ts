import { existsSync } from "node:fs"
import { join } from "node:path"
import { projectRoot } from "./TidemarkProcess.js"

const directory = process.env.TIDEMARK_TEST_DATA ?? join(projectRoot, "..", "shared", "data")

/**
 * A file made by real people, which is not part of the project: beside it, or in the directory that
 * `TIDEMARK_TEST_DATA` names. Says loudly when it is missing, as tests that need it are skipped then.
 */
export const realFile = (name: string): { readonly path: string; readonly missing: boolean } => {
  const path = join(directory, name)
  const missing = !existsSync(path)
  if (missing) console.warn(`SKIPPED: ${name} is not at ${path}`)
  return { path, missing }
}
