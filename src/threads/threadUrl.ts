/**
 * Where the compiled form of a thread's entry file is. A program run from its sources (the tests) starts
 * its threads from the build, as Node can't load TypeScript into a thread.
 *
 * @param relative path of the entry as compiled, such as `./writerThread.js`
 * @param from `import.meta.url` of the caller
 */
export const threadUrl = (relative: string, from: string): URL => {
  const url = new URL(relative, from)
  if (from.endsWith(".ts")) url.pathname = url.pathname.replace(/\/src\/(?!.*\/src\/)/, "/dist/")
  return url
}
