// Visits as the actors would have stored them: the events, and before each client's first one its profile.
import { ageBand } from "../../dist/collect/Customer.js"
import { clientKey, eventId, streamNamespace, uuidv5Bytes } from "../../dist/domain/Ids.js"
import { clientStream, merchantStream, partitionOf } from "../../dist/domain/Partition.js"
import { settingsOf } from "./shops.mjs"

/** From the event's own time until it was recorded, ms. */
const RECORDED_AFTER_MS = 120
const VERSION = 1

/** Of the ids of events that Tidemark writes itself. */
const systemNamespace = (stream) => uuidv5Bytes(streamNamespace(stream), "")

/** Text as long and as random as a sealed profile. It can't be opened: nothing here reads profiles. */
const sealedLike = () => {
  const pool = Array.from({ length: 4_096 }, (_, index) =>
    uuidv5Bytes(Buffer.alloc(16), String(index)).toString("base64url"),
  ).join("")
  const LENGTH = 312
  return (number) => {
    const at = (number * 7_919) % (pool.length - LENGTH)
    return pool.slice(at, at + LENGTH)
  }
}

export class Stored {
  #secret
  #keys
  #known
  #merchants = new Map()
  #sealed = sealedLike()

  constructor(secret, clients) {
    this.#secret = Buffer.from(secret, "utf8")
    this.#keys = Buffer.alloc(16 * clients)
    this.#known = new Uint8Array(clients)
  }

  /** The appends that the event leads to, in order: expected revisions are right when all are taken. */
  appendsOf(event) {
    const appends = []
    const metadata = { recordedAt: event.at + RECORDED_AFTER_MS, source: "api", key: "admin" }
    const merchant = this.#merchants.get(event.merchantId) ?? this.#create(event, appends, metadata)
    const key = this.#keyOf(event)
    if (this.#known[event.client] === 0) {
      this.#known[event.client] = 1
      appends.push(this.#profile(event, merchant, key, metadata))
    }
    const stored = { v: VERSION, type: event.type, at: event.at, data: dataOf(event, key) }
    appends.push({
      stream: merchant.stream,
      expectedRevision: merchant.revision++,
      events: [{ eventId: eventId(merchant.namespace, event.id), event: stored, metadata }],
    })
    return appends
  }

  #create({ merchant: number, merchantId, at }, appends, metadata) {
    const partition = partitionOf(merchantId)
    const stream = merchantStream(partition, merchantId)
    const merchant = { partition, stream, namespace: streamNamespace(stream), revision: -1 }
    this.#merchants.set(merchantId, merchant)
    const event = {
      v: VERSION,
      type: "MerchantCreated",
      at,
      data: { id: "created", merchantId, settings: settingsOf(number) },
    }
    appends.push({
      stream,
      expectedRevision: merchant.revision++,
      events: [{ eventId: eventId(systemNamespace(stream), "created"), event, metadata }],
    })
    return merchant
  }

  #profile({ client, merchantId, at }, { partition }, key, metadata) {
    const stream = clientStream(partition, key)
    const event = {
      v: VERSION,
      type: "ClientSeen",
      at,
      data: { id: "profile", merchantId, clientKey: key },
      personal: this.#sealed(client),
    }
    return {
      stream,
      expectedRevision: -1,
      events: [{ eventId: eventId(systemNamespace(stream), "profile"), event, metadata }],
    }
  }

  #keyOf({ client, merchantId }) {
    const at = 16 * client
    if (this.#known[client] === 0) {
      const key = clientKey(this.#secret, merchantId, `c-${client}`)
      this.#keys.write(key, at, "base64url")
      return key
    }
    return this.#keys.toString("base64url", at, at + 16)
  }
}

const dataOf = (event, key) => {
  const data = { id: event.id, merchantId: event.merchantId, clientKey: key }
  if (event.amount !== undefined) {
    data.amount = event.amount
    data.currency = event.currency
    data.paymentMethod = event.paymentMethod
    if (event.type === "payment") {
      data.pointsUsed = event.pointsUsed
      data.pointsEarned = event.pointsEarned
    }
  }
  data.path = event.path
  if (event.campaign !== undefined) data.utm = { utm_source: "news", utm_campaign: event.campaign }
  if (event.referrer !== undefined) data.referrer = event.referrer
  data.browser = event.agent.browser
  data.os = event.agent.os
  data.device = event.agent.device
  if (event.isCustomer) {
    data.grade = event.grade
    data.gender = event.gender
    data.ageBand = ageBand(new Date(event.at).getUTCFullYear() - event.birthYear)
  }
  data.country = event.country
  if (event.properties !== undefined) data.properties = event.properties
  return data
}
