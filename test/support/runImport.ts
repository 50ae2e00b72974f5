import { spawn } from "node:child_process"
import { join } from "node:path"
import { ADMIN_KEY, projectRoot, type TidemarkProcess } from "./TidemarkProcess.js"

/**
 * `tidemark import` into a running program; waits until what was sent is in the read models. Gives the
 * summary that it prints.
 */
export const runImport = async (
  tidemark: TidemarkProcess,
  args: ReadonlyArray<string>,
): Promise<Readonly<Record<string, unknown>>> => {
  const command = [join(projectRoot, "bin", "tidemark.mjs"), "import", ...args]
  const child = spawn(process.execPath, [...command, "--url", tidemark.url, "--key", ADMIN_KEY, "--json"], {
    cwd: projectRoot,
    env: { ...process.env, TIDEMARK_DATA_DIR: tidemark.dataDir },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let output = ""
  let errors = ""
  child.stdout.on("data", (text: Buffer) => (output += text.toString()))
  child.stderr.on("data", (text: Buffer) => (errors += text.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", resolve)
  })
  if (code !== 0) throw new Error(`import ended with ${code}: ${output}${errors}`)
  const probe = await tidemark.send({ type: "request", clientId: "probe" })
  await tidemark.graphql(
    `query ($at: Position!) { merchants(first: 1) { nodes { totals(range: {from: "2020-01-01", to: "2020-01-02"}, atLeast: $at) { asOf { position } } } } }`,
    { at: probe.body.position },
  )
  return JSON.parse(output.trim().split("\n").at(-1) ?? "{}")
}
