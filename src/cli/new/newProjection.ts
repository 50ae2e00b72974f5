import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { projectionFile, registered, testFile } from "./templates.js"

/** Names are those of a constant, a file and a projection alike. */
const pattern = /^[a-z][A-Za-z0-9]{0,39}$/

/** Words that a constant can't be called, in a strict module or beside the names that the files written have. */
const reserved = new Set(
  "arguments dayOf defineProjection describe eval given givenTo it optional projections projectionsWith table undefined await break case catch class const continue debugger default delete do else enum export extends false finally for function if import in instanceof let new null package private protected public return static super switch this throw true try typeof var void while with yield".split(
    " ",
  ),
)

/**
 * Writes a projection and its test into the sources in `root`, and registers it. Gives the files, as paths in
 * `root`. Throws, having written nothing, when it can't.
 */
export const newProjection = (root: string, name: string): ReadonlyArray<string> => {
  if (!pattern.test(name) || reserved.has(name)) {
    throw new Error(
      `"${name}" can't be the name of a projection: a letter a-z, then up to 39 letters and digits, such as refundRate`,
    )
  }
  const index = join("src", "projections", "index.ts")
  if (!existsSync(join(root, index))) {
    throw new Error(`there is no ${index} in ${root}: run this in the directory of Tidemark's sources`)
  }
  const files = [
    [join("src", "projections", `${name}.ts`), projectionFile(name)],
    [join("test", "unit", "projections", `${name}.test.ts`), testFile(name)],
  ] as const
  for (const [path] of files) {
    if (existsSync(join(root, path))) throw new Error(`${path} is there already: choose another name`)
  }
  const text = registered(readFileSync(join(root, index), "utf8"), name)
  if (text === undefined) {
    throw new Error(`${index} does not list the projections in one line any more: add this one by hand`)
  }
  for (const [path, content] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content, { flag: "wx" })
  }
  writeFileSync(join(root, index), text)
  return [...files.map(([path]) => path), index]
}
