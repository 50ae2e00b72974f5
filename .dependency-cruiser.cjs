/** Imports point one way: what a room may import stands in docs/architecture.md, and only there and here. */
const below = {
  domain: [],
  threads: [],
  mongodb: [],
  eventlog: ["domain", "threads"],
  readmodels: ["domain", "threads", "mongodb"],
  keystore: ["domain", "threads", "mongodb"],
  processors: ["domain", "threads", "eventlog", "readmodels"],
  projections: ["domain", "readmodels", "processors"],
  reactors: ["domain", "readmodels", "processors", "projections"],
  actors: ["domain", "threads", "eventlog", "readmodels", "keystore", "processors"],
  accounts: ["domain", "eventlog", "readmodels", "processors", "projections"],
  queries: ["domain", "eventlog", "readmodels", "keystore", "processors", "projections"],
  collect: ["domain", "eventlog", "actors", "accounts"],
  graphql: [
    "domain",
    "eventlog",
    "actors",
    "accounts",
    "queries",
    "collect",
    "processors",
    "projections",
    "readmodels",
    "keystore",
  ],
}

module.exports = {
  forbidden: [
    {
      name: "no-circular",
      comment: "A cycle means that two modules are one.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    ...Object.entries(below).map(([room, rooms]) => ({
      name: `${room}-imports-only-what-is-below-it`,
      severity: "error",
      from: { path: `^src/${room}/` },
      to: { path: "^src/", pathNot: `^src/(${[room, ...rooms].join("|")})/` },
    })),
    {
      name: "only-runtime-and-cli-import-runtime",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(runtime|cli)/" },
      to: { path: "^src/(runtime|cli)/" },
    },
    {
      name: "the-cluster-stays-in-one-place",
      comment: "Moving to effect 4 must stay cheap.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(actors/cluster|runtime)/" },
      to: { path: "node_modules/@effect/cluster" },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".js", ".mjs"],
    },
  },
}
