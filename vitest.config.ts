import { createRequire } from "node:module"
import { defineConfig } from "vitest/config"
import { LongestFirst } from "./test/support/LongestFirst.js"

// The libraries load `graphql` by Node's rules, and Vite would find its other form: two of it can't mix.
const graphql = createRequire(import.meta.url).resolve("graphql")

// The server that stands in for MongoDB takes several times as long for the same work.
const slow = process.env.TIDEMARK_TEST_READ_MODELS === "mongodb" ? 4 : 1

const report = process.env.TIDEMARK_TEST_REPORT

/** They hold the program to a time that it has a whole machine for: nothing else runs beside them. */
const alone = ["test/fault/killNine.test.ts", "test/fault/liveUnderLoad.test.ts"]

/** Of the tests of every project. What stands beside `projects` is not handed down to them. */
const each = {
  pool: "forks" as const,
  testTimeout: (process.env.TIDEMARK_SOAK === "1" ? 300_000 : 60_000) * slow,
  hookTimeout: 60_000,
}
const resolve = { alias: [{ find: /^graphql$/, replacement: graphql }] }

export default defineConfig({
  test: {
    globalSetup: ["test/support/mongoProgram.ts"],
    projects: [
      {
        resolve,
        test: { ...each, name: "side by side", include: ["test/**/*.test.ts"], exclude: alone },
      },
      {
        resolve,
        test: {
          ...each,
          name: "alone",
          include: alone,
          sequence: { groupOrder: 1 },
          poolOptions: { forks: { singleFork: true } },
        },
      },
    ],
    sequence: { sequencer: LongestFirst },
    poolOptions: { forks: { maxForks: 2 } },
    reporters: report === undefined ? ["default"] : ["default", "json"],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
})
