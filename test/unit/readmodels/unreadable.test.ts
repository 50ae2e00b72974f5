import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { BuildFile } from "../../../src/readmodels/embedded/BuildFile.js"
import { temporary } from "../../support/temporary.js"

it("a build whose file can't be read is never taken for an empty one", () => {
  const directory = temporary()
  writeFileSync(join(directory.path, "build-b.db"), "no database at all, ".repeat(1_000))
  const reader = new BuildFile(directory.path, "b", "reader")
  for (let time = 0; time < 3; time++) expect(() => reader.checkpoints()).toThrow(/not a database/)
  reader.close()
  directory.remove()
})
