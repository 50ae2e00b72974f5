import { runCommand, summaryOf } from "./Command.js"
import type { TidemarkProcess } from "./TidemarkProcess.js"

/**
 * `tidemark import` into a running program; waits until what was sent is in the read models. Gives the
 * summary that it prints.
 */
export const runImport = async (
  tidemark: TidemarkProcess,
  args: ReadonlyArray<string>,
): Promise<Readonly<Record<string, unknown>>> => {
  const summary = summaryOf(
    await runCommand(tidemark.dataDir, ["import", ...args, "--url", tidemark.url, "--json"]),
  )
  const probe = await tidemark.send({ type: "request", clientId: "probe" })
  await tidemark.graphql(
    `query ($at: Position!) { merchants(first: 1) { nodes { totals(range: {from: "2020-01-01", to: "2020-01-02"}, atLeast: $at) { asOf { position } } } } }`,
    { at: probe.body.position },
  )
  return summary
}
