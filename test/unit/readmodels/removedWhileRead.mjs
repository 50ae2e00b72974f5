/** Opens the database of a build as a reader, again and again, each time that it is told to. */
import { workerData } from "node:worker_threads"
import { BuildFile } from "../../../dist/readmodels/embedded/BuildFile.js"

const { directory, shared } = workerData
const turn = new Int32Array(shared, 0, 1)
const errors = new Int32Array(shared, 4, 1)

for (;;) {
  Atomics.wait(turn, 0, 0)
  if (Atomics.load(turn, 0) === 2) break
  const reader = new BuildFile(directory, "b", "reader")
  try {
    reader.checkpoints()
  } catch {
    Atomics.add(errors, 0, 1)
  }
  reader.close()
  Atomics.store(turn, 0, 0)
}
