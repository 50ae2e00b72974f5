#!/usr/bin/env node
import { existsSync } from "node:fs"

const program = new URL("../dist/cli/main.js", import.meta.url)
if (!existsSync(program)) {
  console.error(
    "Tidemark is not built yet. Run `npm start` once (it installs and builds), or `npm run build`.",
  )
  process.exit(1)
}
await import(program.href)
