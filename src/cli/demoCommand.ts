import { Command } from "commander"
import { type DemoOptions, runDemo } from "./demo/runDemo.js"
import { guarded, positive, seconds, whole } from "./options.js"

const help = `
It plays shops in different places: it makes them as merchants (those that exist are left as they are), sends
their past days, then visits as they happen: people come, browse, fill carts, pay, and sometimes get a refund.
The same seed makes the same history with the same ids, so that running it again doubles nothing.`

/** `tidemark demo`. */
export const demoCommand = (): Command =>
  new Command("demo")
    .description("play some shops: their history, then visits as they happen")
    .option("--url <url>", "where Tidemark is", "http://127.0.0.1:4000")
    .option(
      "--key <key>",
      "administrator's key (default: TIDEMARK_ADMIN_KEY, or the one in the data directory)",
    )
    .option("--shops <number>", "how many shops", whole(1, 100), 4)
    .option("--rate <events/s>", "events/s of visits as they happen, over all shops", positive, 20)
    .option("--history <days>", "days of history before today", whole(0, 3_650), 30)
    .option(
      "--duration <seconds>",
      "how long visits go on; 0 for history only (default: until stopped)",
      seconds,
    )
    .option("--seed <number>", "of everything that is drawn", whole(0, Number.MAX_SAFE_INTEGER), 1)
    .addHelpText("after", help)
    .action(guarded((options: DemoOptions) => runDemo(options)))
