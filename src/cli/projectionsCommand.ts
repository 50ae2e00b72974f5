import { Command } from "commander"
import { adminKey } from "./adminKey.js"
import { guarded, whole } from "./options.js"
import { Client, type ProjectionShown, Refused } from "./projections/Client.js"
import { compareBuilds, linesOf as linesOfComparison } from "./projections/compare.js"
import { deadLettersOf, linesOf as linesOfDeadLetters } from "./projections/deadLetters.js"
import { linesOf } from "./projections/print.js"
import { watchBuild } from "./projections/watch.js"

interface Common {
  readonly url: string
  readonly key?: string
  readonly json: boolean
}

const help = `
  $ tidemark projections list
  $ tidemark projections rebuild metrics       fold everything anew, beside the build that serves
  $ tidemark projections compare metrics       what would change
  $ tidemark projections promote metrics metrics-2
  $ tidemark projections rollback metrics      and back

Exit code: 0 done, 2 not done.`

const text = (value: string) => ({ type: "String!", value })
const id = (value: string) => ({ type: "ID!", value })

/** Makes a command that talks to a running Tidemark. */
const talking = (name: string, description: string): Command =>
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
const COMPARE_MS = 12 * 3_600_000

const withClient = async (
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

const print = (projections: ReadonlyArray<ProjectionShown>, { json }: Common): void => {
  if (json) console.log(JSON.stringify(projections.length === 1 ? projections[0] : projections))
  else for (const projection of projections) for (const line of linesOf(projection)) console.log(line)
}

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

interface BuildOptions extends Common {
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
          const begun = await client.command(mutation, { name: text(projection) })
          const build = begun.building?.id ?? begun.serving.id
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

interface SwitchOptions extends Common {
  readonly force: boolean
  readonly expectedServing?: string
}

/** The build that serves as far as the operator knows, or as it is now. */
const expectedOf = async (client: Client, name: string, options: SwitchOptions): Promise<string> =>
  options.expectedServing ?? (await client.find(name)).serving.id

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

const promote = () =>
  switching(
    talking("promote", "let a build serve, at one moment for everybody")
      .argument("<name>", "the projection")
      .argument("<build>", "the build"),
  ).action(
    guarded((name: string, build: string, options: SwitchOptions) =>
      withClient(options, async (client) => {
        const args = {
          ...{ name: text(name), build: id(build) },
          expectedServing: id(await expectedOf(client, name, options)),
          force: { type: "Boolean", value: options.force },
        }
        print([await client.command("promoteProjection", args)], options)
      }),
    ),
  )

const rollback = () =>
  switching(
    talking("rollback", "let the build serve again that served before").argument("<name>", "the projection"),
  ).action(
    guarded((name: string, options: SwitchOptions) =>
      withClient(options, async (client) => {
        const args = {
          name: text(name),
          expectedServing: id(await expectedOf(client, name, options)),
          force: { type: "Boolean", value: options.force },
        }
        print([await client.command("rollbackProjection", args)], options)
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
      building("rebuild", "fold everything anew, beside the build that serves", "rebuildProjection", [
        "READY",
        "SERVING",
      ]),
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
    .addCommand(simple("cancel", "end a rebuild, and remove what it has made", "cancelRebuild"))
    .addCommand(drop())
    .addCommand(deadLetters())
    .addHelpText("after", help)
