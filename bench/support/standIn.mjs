import { spawn } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../test/support/eventstoredb/server.mjs", import.meta.url))

/** The tests' stand-in for EventStoreDB, in a process of its own. */
export const standIn = async (directory) => {
  const child = spawn(process.execPath, [program, "--file", join(directory, "events.jsonl")], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const port = await new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the stand-in ended with ${code}`)))
    child.stdout.on("data", (text) => {
      const found = /listening on (\d+)/.exec(String(text))
      if (found !== null) resolve(found[1])
    })
  })
  return {
    connection: `esdb://127.0.0.1:${port}?tls=false`,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", resolve)
        child.kill()
      }),
  }
}
