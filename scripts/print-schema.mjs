// Prints the GraphQL schema of the build into docs/schema.graphql; with --check only says whether it is current.
import { readFileSync, writeFileSync } from "node:fs"
import { printSchema } from "graphql"

const file = new URL("../docs/schema.graphql", import.meta.url)
const { schema } = await import("../dist/graphql/Schema.js")
const printed = `${printSchema(schema)}\n`

if (process.argv.includes("--check")) {
  if (readFileSync(file, "utf8") !== printed) {
    console.error("docs/schema.graphql is not the schema of the build: run `node scripts/print-schema.mjs`")
    process.exit(1)
  }
} else writeFileSync(file, printed)
