import { rmSync } from "node:fs"
import { join } from "node:path"
import type { Registered } from "../ReadModels.js"
import { BuildFile } from "./BuildFile.js"
import { RegistryFile } from "./RegistryFile.js"

/** How it was before each build had a file. */
const BEFORE = ["read-models.db", "read-models.db-wal", "read-models.db-shm"]

/** Read models in a directory: the registry, and a file for each build. Synchronous; errors are thrown. */
export class Store {
  readonly registry: RegistryFile
  private readonly files = new Map<string, BuildFile>()
  private isHeld = false

  constructor(
    private readonly directory: string,
    private readonly mode: "writer" | "reader",
    private readonly writers = 1,
  ) {
    this.registry = new RegistryFile(directory)
    // Everything in them is folded again from the log.
    if (mode === "writer") for (const name of BEFORE) rmSync(join(directory, name), { force: true })
  }

  close(): void {
    for (const file of this.files.values()) file.close()
    this.files.clear()
    this.registry.close()
  }

  of(build: string): BuildFile {
    let file = this.files.get(build)
    if (file === undefined) {
      file = new BuildFile(this.directory, build, this.mode, this.writers)
      if (this.isHeld) file.hold()
      this.files.set(build, file)
    }
    return file
  }

  /** Removes the documents of a build. */
  remove(build: string): void {
    this.of(build).remove()
    this.files.delete(build)
  }

  /** What is registered. A reader lets go of the files of builds that are not. */
  registered(): ReadonlyArray<Registered> {
    const all = this.registry.registered()
    if (this.mode === "writer" || this.isHeld) return all
    const known = new Set(all.flatMap(({ builds }) => builds.map(({ id }) => id)))
    for (const [build, file] of this.files) {
      if (known.has(build)) continue
      file.close()
      this.files.delete(build)
    }
    return all
  }

  /** Stays at what is committed now, each build for itself, until it is closed; all builds when none are named. */
  hold(builds?: ReadonlyArray<string>): void {
    this.registry.hold()
    this.isHeld = true
    const all = this.registry.registered().flatMap((one) => one.builds.map(({ id }) => id))
    for (const id of builds ?? all) this.of(id)
  }
}
