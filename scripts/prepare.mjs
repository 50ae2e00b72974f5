// Installs what is missing and builds what has changed. Uses nothing that has to be installed first.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const needed = [20, 19]
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  console.error(`Tidemark needs Node.js ${needed.join(".")} or later; this is ${process.versions.node}.`)
  process.exit(1)
}

const npm = process.env.npm_execpath

export const run = (command, args, options = {}) => {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options })
  if (result.error !== undefined) throw result.error
  if (result.signal !== null) process.exit(1)
  return result.status ?? 1
}

const must = (what, status) => {
  if (status === 0) return
  console.error(`${what} failed (exit code ${status}).`)
  process.exit(status)
}

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0)

const newest = (path) =>
  statSync(path).isDirectory()
    ? Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))))
    : statSync(path).mtimeMs

export const install = () => {
  const installed = modified(join(root, "node_modules", ".package-lock.json"))
  if (installed > 0 && installed >= modified(join(root, "package-lock.json"))) return
  console.error("Installing the packages that Tidemark needs …")
  // Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms, and not every
  // registry has all of those. This installs what the lock file says as well, and leaves it as it is.
  const args = ["install", "--no-save", "--include=dev", "--no-audit", "--no-fund"]
  must("Installing", npm ? run(process.execPath, [npm, ...args]) : run("npm", args))
}

export const build = () => {
  const stamp = join(root, "dist", ".built")
  const inputs = [
    "src",
    join("packages", "monitor", "src"),
    join("packages", "monitor", "tsconfig.json"),
    "tsconfig.json",
    "tsconfig.build.json",
    "package-lock.json",
  ].map((name) => newest(join(root, name)))
  if (modified(stamp) > Math.max(...inputs)) return
  console.error("Building …")
  const began = Date.now()
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
  rmSync(join(root, "dist"), { recursive: true, force: true })
  rmSync(join(root, "packages", "monitor", "dist"), { recursive: true, force: true })
  for (const project of ["tsconfig.build.json", join("packages", "monitor")]) {
    must("Building", run(process.execPath, [tsc, "-p", project]))
  }
  mkdirSync(join(root, "dist"), { recursive: true })
  writeFileSync(stamp, "")
  console.error(`Built in ${((Date.now() - began) / 1000).toFixed(1)} s.`)
}
