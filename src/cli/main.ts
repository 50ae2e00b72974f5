import { readFileSync } from "node:fs"
import { Command } from "commander"
import { FAILED } from "./options.js"

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

/** Loaded by name, as each of them brings much with it. */
const commands: Record<string, () => Promise<Command>> = {
  serve: async () => (await import("./serveCommand.js")).serveCommand(),
  demo: async () => (await import("./demoCommand.js")).demoCommand(),
  import: async () => (await import("./importCommand.js")).importCommand(),
  follow: async () => (await import("./followCommand.js")).followCommand(),
  loadgen: async () => (await import("./loadgenCommand.js")).loadgenCommand(),
  projections: async () => (await import("./projectionsCommand.js")).projectionsCommand(),
  verify: async () => (await import("./verifyCommand.js")).verifyCommand(),
  new: async () => (await import("./newCommand.js")).newCommand(),
}

const program = new Command("tidemark")
  .description("Merchant metrics and client activity that can be recomputed.")
  .version(version)
  .showHelpAfterError()

const asked = process.argv[2] ?? ""
const isKnown = Object.hasOwn(commands, asked)
for (const [name, load] of Object.entries(commands)) {
  if (!isKnown || name === asked) program.addCommand(await load())
}

/** 1 is what a comparison found: who asks wrongly must not be told that something differs. */
const failWith2 = (command: Command): void => {
  command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : FAILED))
  command.commands.forEach(failWith2)
}
failWith2(program)
await program.parseAsync()
