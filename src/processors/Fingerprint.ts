import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Definition } from "./Processors.js"
import { definitionOf, type Projection } from "./Projection.js"
import { type AnyReactor, stateOf } from "./Reactor.js"

/** Imports of other files of this program; those of types alone are gone once it is compiled. */
const IMPORTS = /(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g
const TYPES = /import\s+type\s[^"']*["'][^"']*["']/g

const read = (url: URL): string | undefined => {
  // A program that runs from its sources (the tests) names the compiled file.
  for (const path of [fileURLToPath(url), fileURLToPath(url).replace(/\.js$/, ".ts")]) {
    if (existsSync(path)) return readFileSync(path, "utf8")
  }
  return undefined
}

/** Without comments on lines of their own, and without the space around lines. */
const bare = (text: string): string =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(\/\/|\/\*|\*)/.test(line))
    .join("\n")

const textOf = (from: URL, seen: Map<string, string>): void => {
  if (seen.has(from.href)) return
  const text = read(from)
  if (text === undefined) return
  seen.set(from.href, bare(text))
  for (const [, path] of text.replace(TYPES, "").matchAll(IMPORTS))
    textOf(new URL(path as string, from), seen)
}

/**
 * A hash of the text of a projection: of its module and of all modules of this program that it imports, or of
 * its function alone when it does not say where it stands. It changes with more than what the fold gives.
 */
export const fingerprintOf = ({ source, apply }: Projection): string => {
  const texts = new Map<string, string>()
  if (source !== undefined) textOf(new URL(source), texts)
  const hash = createHash("sha256")
  // In the order of imports, without the paths: these differ from machine to machine.
  for (const text of texts.values()) hash.update(text).update("\u0000")
  if (texts.size === 0) hash.update(apply.toString())
  return hash.digest("hex").slice(0, 16)
}

/** The same with those of reactors. */
export const allDefinitions = (
  projections: ReadonlyArray<Projection>,
  reactors: ReadonlyArray<AnyReactor>,
): ReadonlyArray<Definition> => {
  const names = new Set(projections.map(({ name }) => name))
  const twice = reactors.find(({ name }) => names.has(name))
  if (twice !== undefined) throw new Error(`a projection and a reactor are both called ${twice.name}`)
  return [
    ...definitionsOf(projections),
    ...definitionsOf(reactors.map(stateOf)).map((one) => ({ ...one, isReactor: true as const })),
  ]
}

/** Of each projection, the newest version first. */
export const definitionsOf = (projections: ReadonlyArray<Projection>): ReadonlyArray<Definition> =>
  projections
    .toSorted((a, b) => b.version - a.version)
    .map((projection) => ({
      projection: projection.name,
      definition: definitionOf(projection),
      fingerprint: fingerprintOf(projection),
      ...(projection.isByMerchant === true ? { isByMerchant: true as const } : {}),
    }))
