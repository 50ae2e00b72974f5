import { SingleBar } from "cli-progress"
import { Command } from "commander"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { CannotVerify } from "../processors/CannotVerify.js"
import { dataDirectory } from "../runtime/DataDirectory.js"
import { readModelStore, readModelsData } from "../runtime/ReadModelStore.js"
import { eventLogChoice } from "../runtime/Settings.js"
import { linesOf } from "./verify/print.js"
import { runVerify } from "./verify/runVerify.js"

interface Options {
  readonly dataDir: string
  readonly json: boolean
}

const EQUAL = 0
const DIFFERENT = 1
const NOT_CHECKED = 2

/** `tidemark verify`. */
export const verifyCommand = (): Command =>
  new Command("verify")
    .description("fold the whole log afresh, compare every read model with it, and print what differs")
    .option("--data-dir <directory>", "the data directory", process.env.TIDEMARK_DATA_DIR ?? "./data")
    .option("--json", "print the report as JSON", false)
    .addHelpText(
      "after",
      "\nTIDEMARK_READ_MODELS says where the read models are, as for serve.\nExit code: 0 all equal, 1 something differs, 2 it could not be checked.",
    )
    .action(async (options: Options) => {
      const bar = new SingleBar({
        format: "folding {bar} {percentage}%",
        stream: process.stderr,
      })
      let started = false
      const onProgress = (at: string, end: string): void => {
        if (!process.stderr.isTTY) return
        if (!started) bar.start(Number(end), 0)
        started = true
        bar.setTotal(Number(end))
        bar.update(Number(at))
      }
      const result = await Effect.runPromise(
        Effect.either(
          Effect.all([eventLogChoice, readModelStore]).pipe(
            Effect.mapError((error) => new CannotVerify({ reason: String(error) })),
            Effect.flatMap(([eventLog, store]) => {
              const { log, readModels } = dataDirectory(options.dataDir)
              const stores = { log, eventLog, readModels: readModelsData(store, readModels) }
              return runVerify(stores, onProgress)
            }),
          ),
        ),
      )
      if (started) bar.stop()
      if (Either.isLeft(result)) {
        if (options.json) console.log(JSON.stringify({ checked: false, reason: result.left.reason }))
        console.error(`Could not verify: ${result.left.message}`)
        process.exitCode = NOT_CHECKED
        return
      }
      const report = result.right
      if (options.json) console.log(JSON.stringify({ checked: true, ...report }))
      else for (const line of linesOf(report)) console.log(line)
      process.exitCode = report.equal ? EQUAL : DIFFERENT
    })
