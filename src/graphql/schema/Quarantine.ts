import type { QuarantineEntry as EntryData } from "../../collect/Quarantine.js"
import { builder } from "../Builder.js"

const QuarantineEntry = builder.objectRef<EntryData>("QuarantineEntry").implement({
  description: "Something that was sent and refused, kept for a while for inspection.",
  fields: (t) => ({
    id: t.exposeID("id", { description: "Of this entry." }),
    at: t.expose("at", { type: "DateTime", description: "When it arrived." }),
    merchantId: t.exposeID("merchantId", { nullable: true, description: "The merchant, when it is known." }),
    keyId: t.exposeID("keyId", { description: "The API key it was sent with." }),
    index: t.exposeInt("index", {
      nullable: true,
      description: "Its place in the request; null when the body as a whole was refused.",
    }),
    code: t.exposeString("code", { description: "Why it was refused, for programs." }),
    path: t.exposeString("path", { nullable: true, description: "The field that is wrong." }),
    message: t.exposeString("message", { description: "Why it was refused, for people." }),
    event: t.expose("event", {
      type: "JSON",
      nullable: true,
      description: "What was sent, without personal data; null when it could not be read or is too large.",
    }),
    size: t.exposeInt("size", { description: "Its size in bytes." }),
  }),
})

interface PageData {
  readonly entries: ReadonlyArray<EntryData>
  readonly next?: string
}

export const QuarantinePage = builder.objectRef<PageData>("QuarantinePage").implement({
  description: "A page of what was refused.",
  fields: (t) => ({
    entries: t.expose("entries", { type: [QuarantineEntry], description: "Newest first." }),
    next: t.exposeString("next", {
      nullable: true,
      description: "Give it as `after` for the next page; null on the last.",
    }),
  }),
})
