import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { projectRoot } from "./TidemarkProcess.js"
import { temporary } from "./temporary.js"

/** A copy of the built program whose modules can be changed: what is wrong with them is not in the program itself. */
export class PlantedProgram {
  private readonly directory = temporary()
  readonly root = this.directory.path

  constructor() {
    for (const name of ["bin", "dist", "package.json"]) {
      cpSync(join(projectRoot, name), join(this.root, name), { recursive: true })
    }
    symlinkSync(join(projectRoot, "node_modules"), join(this.root, "node_modules"))
  }

  /** Changes a module, such as `projections/metrics.js`. */
  plant(module: string, change: (text: string) => string): void {
    const text = readFileSync(join(projectRoot, "dist", module), "utf8")
    const changed = change(text)
    if (changed === text) throw new Error(`nothing was planted in ${module}`)
    writeFileSync(join(this.root, "dist", module), changed)
  }

  /** The module as it is in the program. */
  mend(module: string): void {
    cpSync(join(projectRoot, "dist", module), join(this.root, "dist", module))
  }

  remove(): void {
    this.directory.remove()
  }
}
