import { Command } from "commander"
import { runFollow } from "./follow/runFollow.js"
import { merchantId } from "./importCommand.js"
import { guarded, seconds } from "./options.js"

const help = `
Every line gives a "request" of its client. With --merchant, a GET that was answered with 2xx or 304 gives a "pageview"
as well, as "tidemark import access-log" has it. Without it the requests belong to nobody (_system).

The log may be rotated by renaming (and creating anew), or by copying and truncating. Rotated files are looked for beside
it, as NAME.1, NAME.2.gz, NAME-20261121 and the like. While Tidemark is away the log waits: keep as many rotated files
as that may last. Runs until SIGINT or SIGTERM; the same command goes on where it stopped.

Exit code: 0 stopped by a signal, 2 the server refuses the events or the log can't be read.`

const followAccessLog = (): Command =>
  new Command("access-log")
    .description("send a web server's access log as it grows, in common or combined log format")
    .argument("<file>", "the log; it need not exist yet")
    .option("--merchant <id>", "whose log it is", merchantId)
    .option("--url <url>", "where Tidemark is", "http://127.0.0.1:4000")
    .option(
      "--key <key>",
      "the key to send with (default: TIDEMARK_ADMIN_KEY, or the one in the data directory)",
    )
    .option("--source <name>", "what events' ids begin with (default: the file's name)")
    .option("--state <file>", "where progress is kept (default: follow/ in the data directory)")
    .option(
      "--settle <seconds>",
      "how long a renamed file must be quiet before the new one is read",
      seconds,
      5,
    )
    .option("--json", "print the summary as one line of JSON", false)
    .addHelpText("after", help)
    .action(guarded(runFollow))

/** `tidemark follow access-log`. */
export const followCommand = (): Command =>
  new Command("follow").description("send a file as it grows").addCommand(followAccessLog())
