import { afterAll, beforeAll } from "vitest"
import { TidemarkProcess, temporaryDirectory } from "./TidemarkProcess.js"

/** The real program on a data directory of its own, while the tests of the file or `describe` run. */
export const runningTidemark = (): TidemarkProcess => {
  const directory = temporaryDirectory()
  const tidemark = new TidemarkProcess(directory.path)
  beforeAll(() => tidemark.start())
  afterAll(async () => {
    await tidemark.stop()
    directory.remove()
  })
  return tidemark
}
