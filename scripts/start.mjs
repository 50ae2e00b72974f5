// `npm start`: from a fresh clone to a running Tidemark on embedded stores.

import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { build, install, root } from "./prepare.mjs"

install()
build()
process.argv = [process.argv[0], join(root, "bin", "tidemark.mjs"), "serve", ...process.argv.slice(2)]
await import(pathToFileURL(process.argv[1]).href)
