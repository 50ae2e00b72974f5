import { Command } from "commander"
import { adminKey } from "../adminKey.js"
import { Client, type ProjectionShown } from "./Client.js"
import { linesOf } from "./print.js"

export interface Common {
  readonly url: string
  readonly key?: string
  readonly json: boolean
}

export const text = (value: string) => ({ type: "String!", value })
export const id = (value: string) => ({ type: "ID!", value })

/** Makes a command that talks to a running Tidemark. */
export const talking = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .option("--url <url>", "where Tidemark is", "http://127.0.0.1:4000")
    .option(
      "--key <key>",
      "administrator's key (default: TIDEMARK_ADMIN_KEY, or the one in the data directory)",
    )
    .option("--json", "print the answer as JSON", false)

/** Longer than any command waits. */
const COMMAND_MS = 60_000
/** A comparison reads everything. */
export const COMPARE_MS = 12 * 3_600_000

export const withClient = async (
  options: Common,
  use: (client: Client) => Promise<void>,
  timeoutMs = COMMAND_MS,
): Promise<void> => {
  const client = new Client(options.url, adminKey(options.key), timeoutMs)
  try {
    await use(client)
  } finally {
    client.close()
  }
}

export const print = (projections: ReadonlyArray<ProjectionShown>, { json }: Common): void => {
  if (json) console.log(JSON.stringify(projections.length === 1 ? projections[0] : projections))
  else for (const projection of projections) for (const line of linesOf(projection)) console.log(line)
}

export interface OfMerchant extends Common {
  readonly merchant?: string
}

export const withMerchant = (command: Command, description: string): Command =>
  command.option("--merchant <id>", description)

export const merchantArgs = (merchantId: string | undefined) =>
  merchantId === undefined ? {} : { merchantId: { type: "ID", value: merchantId } }
