// The MongoDB-protocol server of the tests: FerretDB 1.24 (Apache-2.0) on SQLite files.
// Needs Go for the first build, which takes minutes; the program is kept in .cache/bin.
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, "test", "mongodb-server")
const cache = join(root, ".cache", "mongodb-server")

/** One for each state of what it is made from. */
const program = () => {
  const digest = createHash("sha256").update(changedModule.toString())
  for (const name of ["go.mod", "go.sum", "main.go", "where.go.txt"])
    digest.update(readFileSync(join(source, name)))
  return join(root, ".cache", "bin", `mongodb-server-${digest.digest("hex").slice(0, 12)}`)
}

const go = (args) => {
  const result = spawnSync("go", args, {
    cwd: source,
    encoding: "utf8",
    env: { ...process.env, GOFLAGS: "" },
  })
  if (result.status === 0) return result.stdout.trim()
  throw new Error(`go ${args[0]} failed: ${result.error?.message ?? result.stderr}`)
}

const change = (file, edit) => {
  const text = readFileSync(file, "utf8")
  const changed = edit(text)
  if (changed === text) throw new Error(`${file} is not what this script knows how to change`)
  writeFileSync(file, changed)
}

/**
 * FerretDB as it is compiled here has changes that are meant to change no answer: it looks for `_id` by
 * another expression than its index has, and so reads every document at each update; it takes ranges and
 * lists of ids out of all documents only after it has decoded them; and it stops for ever at an update of 100
 * statements. Gives the file of Go's settings.
 */
const changedModule = () => {
  const module = go(["list", "-m", "-f", "{{.Dir}}", "github.com/FerretDB/FerretDB"])
  const copy = join(cache, "FerretDB")
  rmSync(cache, { recursive: true, force: true })
  cpSync(module, copy, { recursive: true })
  const sqlite = join(copy, "internal", "backends", "sqlite")
  const handler = join(copy, "internal", "handler")
  const registry = join(handler, "registry")
  for (const path of [
    handler,
    join(handler, "msg_update.go"),
    registry,
    sqlite,
    join(sqlite, "metadata"),
    join(sqlite, "metadata", "metadata.go"),
    join(sqlite, "collection.go"),
  ]) {
    chmodSync(path, 0o755)
  }
  change(join(sqlite, "metadata", "metadata.go"), (text) =>
    text.replace(`IDColumn = DefaultColumn + "->'$._id'"`, 'IDColumn = DefaultColumn + `->"_id"`'),
  )
  change(join(sqlite, "collection.go"), (text) => {
    const from = text.indexOf("\tvar whereClause string")
    const to = text.indexOf("\tq += whereClause")
    return from < 0
      ? text
      : `${text.slice(0, from)}\twhereClause, args := whereID(params.Filter)\n${text.slice(to)}`
  })
  copyFileSync(join(source, "where.go.txt"), join(sqlite, "where.go"))
  // Each statement of an update keeps its read, and with it a connection, until the last one is done; there are
  // 100, and the statement that finds none waits for ever.
  change(join(handler, "msg_update.go"), (text) =>
    text
      .replace("\t\tdefer closer.Close()\n", "")
      .replace(/(common\.UpdateDocument\(ctx, c, "update", iter, &u\)\n)/, "$1\t\tcloser.Close()\n"),
  )
  // What keeps documents in MySQL has no tag that leaves it out, and takes time to build.
  rmSync(join(registry, "mysql.go"))
  const settings = join(cache, "go.mod")
  copyFileSync(join(source, "go.sum"), join(cache, "go.sum"))
  const required = readFileSync(join(source, "go.mod"), "utf8")
  writeFileSync(settings, `${required}\nreplace github.com/FerretDB/FerretDB => ${copy}\n`)
  return settings
}

/** The program's path, built when missing; undefined, and said why, where it can't be had. */
export const mongoServerProgram = () => {
  const file = program()
  if (existsSync(file)) return file
  if (spawnSync("go", ["version"]).status !== 0) return undefined
  console.error("Building the MongoDB-protocol server of the tests; the first time takes some minutes …")
  mkdirSync(dirname(file), { recursive: true })
  const partial = `${file}.${process.pid}`
  go(["mod", "download"])
  const tags = "ferretdb_no_postgresql"
  go([
    "build",
    "-p",
    "2",
    `-tags=${tags}`,
    "-ldflags=-s -w",
    `-modfile=${changedModule()}`,
    "-o",
    partial,
    ".",
  ])
  renameSync(partial, file)
  return file
}

/** Builds it in a process of its own where it is missing; done when that has ended, well or not. */
export const buildingMongoServer = () => {
  if (existsSync(program())) return Promise.resolve()
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--program"], {
    stdio: ["ignore", "ignore", "inherit"],
  })
  return new Promise((resolve) => {
    child.on("error", resolve)
    child.on("exit", resolve)
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = mongoServerProgram()
  if (file === undefined) {
    console.error("There is no Go here to build the MongoDB-protocol server with: install Go 1.22 or later.")
    process.exit(1)
  }
  if (process.argv[2] === "--program") {
    console.log(file)
    process.exit(0)
  }
  const [directory, listen = "127.0.0.1:27017"] = process.argv.slice(2)
  if (directory === undefined) {
    console.error("usage: node scripts/mongoServer.mjs DIRECTORY [HOST:PORT]")
    process.exit(1)
  }
  mkdirSync(directory, { recursive: true })
  spawn(file, ["-directory", `${directory}/`, "-listen", listen], { stdio: "inherit" })
}
