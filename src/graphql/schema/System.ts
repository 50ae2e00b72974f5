import type { SystemSettings } from "../../domain/Settings.js"
import { builder } from "../Builder.js"
import { changeSystem } from "../Commands.js"
import type { Context } from "../Context.js"
import { requireAdministrator, run } from "../Errors.js"
import { IdleGroup, IdleGroupInput, LONGEST_SILENCE, parseIdleGroups } from "./IdleGroup.js"
import { UserError, type UserErrorData, userError } from "./UserError.js"

const System = builder.objectRef<SystemSettings>("System").implement({
  description: "What is set for the whole system while it runs.",
  fields: (t) => ({
    idleAfterSeconds: t.int({
      nullable: true,
      description:
        "Silence in seconds after which clients are idle whose merchant says nothing else; null when that of the start holds (`TIDEMARK_IDLE_AFTER`).",
      resolve: ({ idleAfterSeconds }) => idleAfterSeconds || null,
    }),
    idleGroups: t.field({
      type: [IdleGroup],
      description:
        "Idle times of some clients whose merchant says nothing else: the first group that a client is in counts, and comes before `idleAfterSeconds`.",
      resolve: ({ idleGroups }) => [...(idleGroups ?? [])],
    }),
  }),
})

const UpdateSystemInput = builder.inputType("UpdateSystemInput", {
  description: "New settings of the whole system.",
  fields: (t) => ({
    idleAfterSeconds: t.int({
      description: `Silence after which clients are idle whose merchant says nothing else: 1 to ${LONGEST_SILENCE} seconds, 0 for that of the start (\`TIDEMARK_IDLE_AFTER\`). Stays as it is when left out or null.`,
    }),
    idleGroups: t.field({
      type: [IdleGroupInput],
      description:
        "All groups, in place of those before: the first that a client is in counts. Stay as they are when left out or null.",
    }),
  }),
})

interface SystemPayloadData {
  readonly system: SystemSettings | undefined
  readonly userErrors: ReadonlyArray<UserErrorData>
}

const SystemPayload = builder.objectRef<SystemPayloadData>("SystemPayload").implement({
  description: "The system's settings after the change, or why it was not made.",
  fields: (t) => ({
    system: t.expose("system", {
      type: System,
      nullable: true,
      description: "Its new settings; null when nothing was changed.",
    }),
    userErrors: t.expose("userErrors", { type: [UserError], description: "Why the change was not made." }),
  }),
})

const save = async (
  context: Context,
  input: typeof UpdateSystemInput.$inferInput,
): Promise<SystemPayloadData> => {
  requireAdministrator(context)
  const errors: Array<UserErrorData> = []
  const { idleAfterSeconds: seconds, idleGroups } = input
  if (typeof seconds === "number" && !(seconds >= 0 && seconds <= LONGEST_SILENCE)) {
    const message = `idleAfterSeconds must be 0 to ${LONGEST_SILENCE}`
    errors.push(userError("INVALID_IDLE_AFTER", message, "input", "idleAfterSeconds"))
  }
  const change: SystemSettings = {
    ...(typeof seconds === "number" ? { idleAfterSeconds: seconds } : {}),
    ...(idleGroups ? { idleGroups: parseIdleGroups(idleGroups, errors) } : {}),
  }
  if (Object.keys(change).length === 0 && errors.length === 0) {
    errors.push(userError("NOTHING_TO_CHANGE", "the input names nothing to change", "input"))
  }
  if (errors.length > 0) return { system: undefined, userErrors: errors }
  const done = await changeSystem(context, { change })
  return { system: done._tag === "Saved" ? done.settings : change, userErrors: [] }
}

builder.queryField("system", (t) =>
  t.field({
    type: System,
    description: "What is set for the whole system while it runs; for administrators.",
    complexity: 5,
    resolve: (_, _args, context) => {
      requireAdministrator(context)
      return run(context.services.queries.merchants.system)
    },
  }),
)

builder.mutationField("updateSystem", (t) =>
  t.field({
    type: SystemPayload,
    description:
      "Changes settings of the whole system while it runs; for administrators. Deadlines follow at once. When it fails, some partitions may have heard it: repeat it.",
    complexity: 10,
    args: { input: t.arg({ type: UpdateSystemInput, required: true, description: "What to change." }) },
    resolve: (_, { input }, context) => save(context, input),
  }),
)
