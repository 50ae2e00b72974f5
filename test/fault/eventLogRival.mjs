// Tries to open the log in a directory, and says how that went.
import { Effect } from "effect"
import { openEmbeddedLog } from "../../dist/eventlog/embedded/EmbeddedLog.js"

const [, , directory] = process.argv
const result = await Effect.runPromise(Effect.either(Effect.scoped(openEmbeddedLog({ directory }))))
console.log(result._tag, result.left?.message)
