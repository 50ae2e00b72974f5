// Other processes of a benchmark: scripts that print JSON, and the program itself.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

export const root = new URL("../..", import.meta.url).pathname
export const tidemark = join(root, "bin", "tidemark.mjs")
export const KEY = "bench-key"

/** Cores that this process may use, by number; none where the system does not say (it is asked as Linux is). */
const allowed = () => {
  if (process.platform !== "linux") return []
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? ""
  return list.split(",").flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/** Whether two commands can be held to a core each. */
export const canHoldTwo = () => allowed().length > 1 && hasTaskset()

const hasTaskset = () => spawnSync("taskset", ["--version"]).status === 0

/**
 * A command on so many cores from the one with the number `from` among those allowed, and no others; as it is where
 * that can't be had, with a word about it.
 */
const onCores = ({ cores, from = 0 }, command) => {
  const own = allowed()
  if (own.length === cores) return command
  if (own.length > cores && hasTaskset()) {
    return ["taskset", "-c", own.slice(from, from + cores).join(","), ...command]
  }
  console.error(`Not held to ${cores} cores: that takes Linux, taskset and as many cores.`)
  return command
}

/**
 * A script that runs by itself, held to some cores where `hold` says to which: `output` is what it prints; it rejects
 * with its errors when it fails.
 */
export const spawned = (args, env = {}, hold = undefined) => {
  const node = [process.execPath, ...args]
  const [command, ...rest] = hold === undefined ? node : onCores(hold, node)
  const child = spawn(command, rest, { cwd: root, env: { ...process.env, ...env } })
  let text = ""
  let errors = ""
  child.stdout.on("data", (part) => {
    text += part
  })
  child.stderr.on("data", (part) => {
    errors += part
  })
  const output = new Promise((resolve, reject) => {
    child.on("close", (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${args.join(" ")}: ${errors}${text}`)),
    )
  })
  return { pid: child.pid, isRunning: () => child.exitCode === null && child.signalCode === null, output }
}

const last = (text) => JSON.parse(text.trim().split("\n").at(-1))

export const output = (args, env) => spawned(args, env).output

/** The last line of what a script prints. */
export const json = async (args, env) => last(await output(args, env))

/** The same of a script that is held to so many cores, with all of its threads. */
export const jsonOnCores = async (cores, args, from = 0) =>
  last(await spawned(args, {}, { cores, from }).output)

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Starts a script that serves, waits for its address on standard output, and gives a way to end it. */
export const start = (args, env = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env } })
    let text = ""
    const exited = new Promise((end) => child.on("exit", end))
    const stop = async () => {
      child.kill("SIGTERM")
      await exited
    }
    const read = (part) => {
      text = (text + part).slice(-4_000)
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0]
      if (url !== undefined) resolve({ url, stop, pid: child.pid })
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    exited.then(() => reject(new Error(`${args.join(" ")} ended: ${text}`)))
  })

/** The program on a data directory, when it takes traffic. */
export const serve = async (directory, secret, env = {}) => {
  const began = performance.now()
  const server = await start([tidemark, "serve"], {
    TIDEMARK_DATA_DIR: directory,
    TIDEMARK_PORT: "0",
    TIDEMARK_ADMIN_KEY: KEY,
    TIDEMARK_SECRET: secret,
    NODE_ENV: "production",
    ...env,
  })
  while ((await fetch(`${server.url}/readyz`)).status !== 200) await pause(50)
  return { ...server, readyAfterMs: performance.now() - began }
}

export const ask = async (url, query, variables) => {
  const answer = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await answer.json()
  if (errors !== undefined) throw new Error(JSON.stringify(errors))
  return data
}

const LEVEL = "{ projections { name serving { lagMs position head } } }"

/** Milliseconds until every serving build stands at the log's end. */
export const untilLevel = async (url) => {
  const began = performance.now()
  for (;;) {
    const { projections } = await ask(url, LEVEL)
    if (projections.every(({ serving }) => serving.position === serving.head))
      return performance.now() - began
    await pause(50)
  }
}

/** Memory of a process from its `status` on Linux, bytes: `VmRSS`, `RssAnon`, `RssFile`, `VmHWM`. */
export const memoryOf = (pid) => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  const read = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024
  return { resident: read("VmRSS"), own: read("RssAnon"), files: read("RssFile"), peak: read("VmHWM") }
}

/** CPU time of a process so far, ms; undefined where there is no /proc. */
const cpuMs = (pid) => {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return undefined
  const [, text] = readFileSync(file, "utf8").split(") ")
  const fields = text.split(" ")
  // Ticks of 10 ms in user and in kernel mode.
  return 10 * (Number(fields[11]) + Number(fields[12]))
}

/** Milliseconds of CPU a second below which a process does nothing of note. */
const QUIET_MS = 100
const PATIENCE_MS = 300_000

/**
 * Milliseconds until a server that nobody asks does next to nothing: on its first start on a history it makes
 * its index and reports the silences of a year, which is not what reading costs. Only where there is a /proc.
 */
export const untilQuiet = async (pid) => {
  const began = performance.now()
  for (let quiet = 0, before = cpuMs(pid); before !== undefined && quiet < 3; ) {
    if (performance.now() - began > PATIENCE_MS) {
      console.error("The server does not come to rest: what is measured has its work in it.")
      break
    }
    await pause(1_000)
    const now = cpuMs(pid)
    quiet = now - before < QUIET_MS ? quiet + 1 : 0
    before = now
  }
  return performance.now() - began
}

export { pause }
