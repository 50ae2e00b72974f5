import { readFileSync } from "node:fs"
import { Command } from "commander"
import { demoCommand } from "./demoCommand.js"
import { followCommand } from "./followCommand.js"
import { importCommand } from "./importCommand.js"
import { loadgenCommand } from "./loadgenCommand.js"
import { newCommand } from "./newCommand.js"
import { projectionsCommand } from "./projectionsCommand.js"
import { serveCommand } from "./serveCommand.js"
import { verifyCommand } from "./verifyCommand.js"

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

await new Command("tidemark")
  .description("Merchant metrics and client activity that can be recomputed.")
  .version(version)
  .showHelpAfterError()
  .addCommand(serveCommand())
  .addCommand(demoCommand())
  .addCommand(importCommand())
  .addCommand(followCommand())
  .addCommand(loadgenCommand())
  .addCommand(projectionsCommand())
  .addCommand(verifyCommand())
  .addCommand(newCommand())
  .parseAsync()
