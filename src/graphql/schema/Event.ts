import { SYSTEM } from "../../domain/Partition.js"
import type { ListedEvent } from "../../queries/EventQueries.js"
import { builder } from "../Builder.js"
import { connectionOf } from "./Connection.js"

export const Event = builder.objectRef<ListedEvent>("Event").implement({
  description: "One event as it is kept.",
  fields: (t) => ({
    id: t.id({ description: "The id its sender gave it.", resolve: (e) => e.recorded.event.data.id }),
    type: t.string({ description: "Its type.", resolve: (e) => e.recorded.event.type }),
    merchantId: t.id({
      nullable: true,
      description: "Its merchant; null for a request that names none.",
      resolve: ({ recorded }) => {
        const { merchantId } = recorded.event.data
        return merchantId === SYSTEM ? null : merchantId
      },
    }),
    clientId: t.exposeID("clientId", {
      nullable: true,
      description: "Its client; `(erased)` once that client's personal data was erased.",
    }),
    at: t.field({
      type: "DateTime",
      description: "When it happened: its timestamp.",
      resolve: (e) => e.recorded.event.at,
    }),
    recordedAt: t.field({
      type: "DateTime",
      description: "When it was recorded.",
      resolve: (e) => e.recorded.metadata.recordedAt,
    }),
    position: t.field({
      type: "Position",
      description: "Its place in the event log.",
      resolve: (e) => e.recorded.position,
    }),
    path: t.string({
      nullable: true,
      description: "Path of its url.",
      resolve: (e) => e.recorded.event.data.path ?? null,
    }),
    referrer: t.string({
      nullable: true,
      description: "Host that led to it.",
      resolve: (e) => e.recorded.event.data.referrer ?? null,
    }),
    country: t.string({
      nullable: true,
      description: "Country of its client.",
      resolve: (e) => e.recorded.event.data.country ?? null,
    }),
    device: t.string({
      nullable: true,
      description: "Kind of device.",
      resolve: (e) => e.recorded.event.data.device ?? null,
    }),
    browser: t.string({
      nullable: true,
      description: "Browser.",
      resolve: (e) => e.recorded.event.data.browser ?? null,
    }),
    os: t.string({
      nullable: true,
      description: "Operating system.",
      resolve: (e) => e.recorded.event.data.os ?? null,
    }),
    amount: t.float({
      nullable: true,
      description: "Amount in minor units of `currency`.",
      resolve: (e) => e.recorded.event.data.amount ?? null,
    }),
    currency: t.field({
      type: "Currency",
      nullable: true,
      description: "Currency of `amount`.",
      resolve: (e) => e.recorded.event.data.currency ?? null,
    }),
    paymentMethod: t.string({
      nullable: true,
      description: "How it was paid.",
      resolve: (e) => e.recorded.event.data.paymentMethod ?? null,
    }),
    properties: t.field({
      type: "JSON",
      nullable: true,
      description: "Its custom properties, as they were sent.",
      resolve: (e) => e.recorded.event.data.properties ?? null,
    }),
  }),
})

export const EventConnection = connectionOf("Event", Event)
