import { spawn } from "node:child_process"
import { join } from "node:path"
import { storesOf } from "./stores.js"
import { projectRoot } from "./TidemarkProcess.js"

/** `npx tidemark verify` on a data directory. */
export const runVerify = async (
  dataDir: string,
): Promise<{ readonly code: number | null; readonly output: string }> => {
  const env = { ...process.env, ...(await storesOf(dataDir).environment()) }
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [join(projectRoot, "bin", "tidemark.mjs"), "verify", "--data-dir", dataDir],
      { cwd: projectRoot, env, stdio: ["ignore", "pipe", "pipe"] },
    )
    let output = ""
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text: Buffer) => (output += text.toString()))
    child.on("error", reject)
    child.on("exit", (code) => resolve({ code, output }))
  })
}
