import { Command } from "commander"
import { guarded, whole } from "./options.js"
import { Refused } from "./projections/Client.js"
import { compareBuilds, linesOf as linesOfComparison } from "./projections/compare.js"
import { deadLettersOf, linesOf as linesOfDeadLetters } from "./projections/deadLetters.js"
import { promote, rollback } from "./projections/switching.js"
import {
  COMPARE_MS,
  type Common,
  id,
  merchantArgs,
  type OfMerchant,
  print,
  talking,
  text,
  withClient,
  withMerchant,
} from "./projections/talking.js"
import { begunIn, watchBuild } from "./projections/watch.js"

const help = `
  $ tidemark projections list
  $ tidemark projections rebuild metrics       fold everything anew, beside the build that serves
  $ tidemark projections compare metrics       what would change
  $ tidemark projections promote metrics metrics-2
  $ tidemark projections rollback metrics      and back
  $ tidemark projections rebuild metrics --merchant m-7     one merchant alone

Exit code: 0 done, 2 not done.`

const list = () =>
  talking("list", "the builds of all projections, or of one")
    .argument("[name]", "a projection, such as metrics")
    .action(
      guarded((name: string | undefined, options: Common) =>
        withClient(options, async (client) => {
          if (name !== undefined) return print([await client.find(name)], options)
          const all = await client.list()
          if (options.json) console.log(JSON.stringify(all))
          else print(all, options)
        }),
      ),
    )

interface BuildOptions extends OfMerchant {
  readonly wait: boolean
}

/** `state`: what the build has to come to. */
const building = (name: string, description: string, mutation: string, state: ReadonlyArray<string>) =>
  talking(name, description)
    .argument("<name>", "the projection")
    .option("--no-wait", "don't wait until it has caught up")
    .action(
      guarded((projection: string, options: BuildOptions) =>
        withClient(options, async (client) => {
          const args = { name: text(projection), ...merchantArgs(options.merchant) }
          const build = begunIn(await client.command(mutation, args), options.merchant ?? null)
          if (options.wait) await watchBuild(client, projection, build, state)
          print([await client.find(projection)], options)
        }),
      ),
    )

const simple = (name: string, description: string, mutation: string) =>
  talking(name, description)
    .argument("<name>", "the projection")
    .action(
      guarded((projection: string, options: Common) =>
        withClient(options, async (client) =>
          print([await client.command(mutation, { name: text(projection) })], options),
        ),
      ),
    )

/** States of a build that a cancellation ends. */
const REBUILDING: ReadonlyArray<string> = ["BUILDING", "READY", "FAILED"]

const cancel = () =>
  withMerchant(
    talking("cancel", "end a rebuild, and remove what it has made").argument("<name>", "the projection"),
    "the rebuild of this merchant",
  ).action(
    guarded((name: string, options: OfMerchant) =>
      withClient(options, async (client) => {
        const { merchant } = options
        if (merchant === undefined) {
          return print([await client.command("cancelRebuild", { name: text(name) })], options)
        }
        const { builds } = await client.find(name)
        const own = builds.find(
          ({ merchantId, state }) => merchantId === merchant && REBUILDING.includes(state),
        )
        if (own === undefined)
          throw new Refused("NOT_BUILDING", `no build of ${name} of ${merchant} is being built`)
        const args = { name: text(name), build: id(own.id) }
        print([await client.command("dropProjectionBuild", args)], options)
      }),
    ),
  )

const drop = () =>
  talking("drop", "remove a build that does not serve")
    .argument("<name>", "the projection")
    .argument("<build>", "the build")
    .action(
      guarded((name: string, build: string, options: Common) =>
        withClient(options, async (client) =>
          print(
            [await client.command("dropProjectionBuild", { name: text(name), build: id(build) })],
            options,
          ),
        ),
      ),
    )

interface DeadLetterOptions extends Common {
  readonly retry: boolean
}

const deadLetters = () =>
  talking("dead-letters", "events that could not be folded, and how many wait behind each")
    .argument("<name>", "the projection")
    .option("--retry", "first fold what waits: once what was wrong is put right", false)
    .action(
      guarded((name: string, options: DeadLetterOptions) =>
        withClient(options, async (client) => {
          const show = async () => {
            const letters = await deadLettersOf(client, name)
            if (options.json) console.log(JSON.stringify(letters))
            else for (const line of linesOfDeadLetters(name, letters)) console.log(line)
          }
          try {
            if (options.retry) await client.command("retryDeadLetters", { name: text(name) })
          } catch (error) {
            if (error instanceof Refused && error.code === "DEAD_LETTERS_REMAIN") await show()
            throw error
          }
          await show()
        }),
      ),
    )

interface CompareOptions extends Common {
  readonly from?: string
  readonly to?: string
  readonly first: number
}

const EQUAL = 0
const DIFFERENT = 1

const compare = () =>
  talking("compare", "which merchants and buckets differ between two builds, largest first")
    .argument("<name>", "the projection")
    .option("--from <build>", "a build (default: the one that serves)")
    .option("--to <build>", "another (default: the one that is being built)")
    .option("--first <number>", "how many differences to print", whole(0, 10_000), 20)
    .addHelpText("after", "\nExit code: 0 equal, 1 something differs, 2 it could not be compared.")
    .action(
      guarded((name: string, options: CompareOptions) =>
        withClient(
          options,
          async (client) => {
            const comparison = await compareBuilds(client, name, options, options.first)
            if (options.json) console.log(JSON.stringify(comparison))
            else for (const line of linesOfComparison(comparison)) console.log(line)
            process.exitCode = comparison.equal ? EQUAL : DIFFERENT
          },
          COMPARE_MS,
        ),
      ),
    )

/** `tidemark projections`. */
export const projectionsCommand = (): Command =>
  new Command("projections")
    .description("rebuild read models from history while people keep reading, switch, and switch back")
    .addCommand(list())
    .addCommand(
      withMerchant(
        building("rebuild", "fold everything anew, beside the build that serves", "rebuildProjection", [
          "READY",
          "SERVING",
        ]),
        "the events of this merchant alone",
      ),
    )
    .addCommand(compare())
    .addCommand(promote())
    .addCommand(rollback())
    .addCommand(
      building("reset", "rebuild, and let it serve by itself when it has caught up", "resetProjection", [
        "SERVING",
      ]),
    )
    .addCommand(simple("pause", "fold nothing more until it is resumed", "pauseProjection"))
    .addCommand(simple("resume", "go on folding", "resumeProjection"))
    .addCommand(cancel())
    .addCommand(drop())
    .addCommand(deadLetters())
    .addHelpText("after", help)
