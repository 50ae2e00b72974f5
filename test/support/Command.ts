import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { storesOf } from "./stores.js"
import { ADMIN_KEY, projectRoot } from "./TidemarkProcess.js"

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

/** `npx tidemark …` in a process of its own, with the key and the data directory in its environment. */
export const startCommand = (dataDir: string, args: ReadonlyArray<string>, input?: Uint8Array): Running => {
  const child = spawn(process.execPath, [join(projectRoot, "bin", "tidemark.mjs"), ...args], {
    cwd: projectRoot,
    env: {
      ...process.env,
      TIDEMARK_ADMIN_KEY: ADMIN_KEY,
      TIDEMARK_DATA_DIR: dataDir,
      ...storesOf(dataDir).known,
    },
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  })
  const out = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8")
    child[name]?.on("data", (text: string) => (out[name] += text))
  }
  child.stdin?.end(input)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => resolve({ code, signal, ...out }))
  })
  return { child, ended }
}

export const runCommand = (
  dataDir: string,
  args: ReadonlyArray<string>,
  input?: Uint8Array,
): Promise<Ended> => startCommand(dataDir, args, input).ended

/** The summary that a command prints with `--json`, when it did what it was asked for. */
export const summaryOf = ({ code, stdout, stderr }: Ended) => {
  if (code !== 0) throw new Error(`exit code ${code}: ${stdout}${stderr}`)
  return JSON.parse(stdout)
}
