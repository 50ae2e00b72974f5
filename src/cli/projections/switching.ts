import type { Command } from "commander"
import { guarded } from "../options.js"
import { type Client, Refused } from "./Client.js"
import { id, type OfMerchant, print, talking, text, withClient, withMerchant } from "./talking.js"

interface SwitchOptions extends OfMerchant {
  readonly force: boolean
  readonly expectedServing?: string
}

/** For the merchant's build that is to serve, the one that serves this merchant; else the one that serves. */
const toReplace = async (client: Client, name: string, build: string): Promise<string> => {
  const { builds, serving } = await client.find(name)
  const { merchantId = null } = builds.find((one) => one.id === build) ?? {}
  return builds.find((one) => one.merchantId === merchantId && one.state === "SERVING")?.id ?? serving.id
}

const toLeave = async (client: Client, name: string, options: SwitchOptions): Promise<string> => {
  const { builds, serving } = await client.find(name)
  const { expectedServing, merchant } = options
  if (expectedServing !== undefined || merchant === undefined) return expectedServing ?? serving.id
  const own = builds.find((one) => one.merchantId === merchant && one.state === "SERVING")
  if (own !== undefined) return own.id
  // The build of all would go back for all.
  throw new Refused("NOTHING_TO_ROLL_BACK_TO", `no build of ${name} serves ${merchant} alone`)
}

const switching = (command: Command): Command =>
  command
    .option(
      "--expected-serving <build>",
      "switch only if this build serves still (default: the one that serves now)",
    )
    .option(
      "--force",
      "also when the build has not caught up, has dead letters, or its code is not deployed",
      false,
    )

export const promote = () =>
  switching(
    talking("promote", "let a build serve, at one moment for everybody")
      .argument("<name>", "the projection")
      .argument("<build>", "the build"),
  ).action(
    guarded((name: string, build: string, options: SwitchOptions) =>
      withClient(options, async (client) => {
        const args = {
          ...{ name: text(name), build: id(build) },
          expectedServing: id(options.expectedServing ?? (await toReplace(client, name, build))),
          force: { type: "Boolean", value: options.force },
        }
        print([await client.command("promoteProjection", args)], options)
      }),
    ),
  )

export const rollback = () =>
  switching(
    withMerchant(
      talking("rollback", "let the build serve again that served before").argument(
        "<name>",
        "the projection",
      ),
      "this merchant alone goes back to the build of all",
    ),
  ).action(
    guarded((name: string, options: SwitchOptions) =>
      withClient(options, async (client) => {
        const args = {
          name: text(name),
          expectedServing: id(await toLeave(client, name, options)),
          force: { type: "Boolean", value: options.force },
        }
        print([await client.command("rollbackProjection", args)], options)
      }),
    ),
  )
