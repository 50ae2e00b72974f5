import { builder } from "../Builder.js"
import { DimensionEnum } from "./Enums.js"

const FilterTerm = builder.inputType("FilterTerm", {
  description:
    "One condition. The value is compared whole and by case, as breakdowns show it: `(none)` stands for an event without one. Give `in`, `notIn` or both.",
  fields: (t) => ({
    dimension: t.field({ type: DimensionEnum, required: true, description: "What is looked at." }),
    property: t.string({ description: "Name of the custom property, for the dimension PROPERTY alone." }),
    in: t.stringList({ description: "The value is one of these; an empty list lets nothing pass." }),
    notIn: t.stringList({ description: "The value is none of these." }),
  }),
})

export const Filter = builder.inputType("Filter", {
  description:
    "What events must be like to be counted or listed; sessions are judged by their earliest event. Answered from the events themselves: the cost follows their number in the range, and past a limit the answer is `TOO_COSTLY`.",
  fields: (t) => ({
    all: t.field({
      type: [FilterTerm],
      required: true,
      description: "Every one of these has to hold; at most 20.",
    }),
  }),
})

export const filterDescription = "Only events, and sessions, that meet this filter."
