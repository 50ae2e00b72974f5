import { existsSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

export const root = fileURLToPath(new URL("../../", import.meta.url))

/** What the compiler says of these files, as if they stood in the sources under their paths. */
export const compileBeside = (files: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const texts = new Map(Object.entries(files).map(([path, text]) => [resolve(root, path), text]))
  const config = ts.readConfigFile(join(root, "tsconfig.json"), (path) => readFileSync(path, "utf8"))
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root, { noEmit: true })
  const host = ts.createCompilerHost(options)
  const { getSourceFile, readFile } = host
  host.fileExists = (path) => texts.has(resolve(path)) || existsSync(path)
  host.readFile = (path) => texts.get(resolve(path)) ?? readFile(path)
  host.directoryExists = (path) => existsSync(path) || [...texts.keys()].some((one) => dirname(one) === path)
  host.getSourceFile = (path, version, ...more) => {
    const text = texts.get(resolve(path))
    return text === undefined
      ? getSourceFile(path, version, ...more)
      : ts.createSourceFile(path, text, version, true)
  }
  const program = ts.createProgram([...texts.keys()], options, host)
  return [...texts.keys()].flatMap((path) => {
    const source = program.getSourceFile(path)
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText }) =>
        `${path.slice(root.length)}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
    )
  })
}

/** What a module exports that imports nothing but these modules, named as it names them. */
export const runModule = (
  text: string,
  modules: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> => {
  const { outputText } = ts.transpileModule(text.replaceAll("import.meta.url", '"file:///module.js"'), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  })
  const exports: Record<string, unknown> = {}
  new Function("require", "exports", outputText)((name: string) => modules[name], exports)
  return exports
}
