import { expect } from "vitest"
import { counted, differences, type Question } from "./askNumbers.js"
import { AGENTS, type DrawnMerchant } from "./drawEvents.js"
import { Oracle } from "./oracle.js"
import { type Counted, collected, type RawEvent } from "./oracleEvents.js"
import type { TidemarkProcess } from "./TidemarkProcess.js"

let made = 0

/** What a test says of an event: the rest is filled in. */
export type Given = Partial<RawEvent> & { readonly timestamp: number }

/** A merchant of the running program, and beside it the oracle's view of what was sent to it. */
export class Shop {
  readonly counted: Array<Counted> = []

  private constructor(
    private readonly tidemark: TidemarkProcess,
    private settings: DrawnMerchant,
  ) {}

  static async open(tidemark: TidemarkProcess, settings: Partial<DrawnMerchant> = {}): Promise<Shop> {
    const input = { id: `shop-${made++}`, timezone: "UTC", currency: "USD", ...settings }
    const { createMerchant } = await tidemark.graphql(
      "mutation ($input: CreateMerchantInput!) { createMerchant(input: $input) { userErrors { message } } }",
      { input },
    )
    expect(createMerchant.userErrors).toEqual([])
    return new Shop(tidemark, input)
  }

  get id(): string {
    return this.settings.id
  }

  get oracle(): Oracle {
    return new Oracle(this.counted, this.settings.timezone, this.settings.currency)
  }

  async change(settings: Partial<Omit<DrawnMerchant, "id">>): Promise<void> {
    this.settings = { ...this.settings, ...settings }
    const { updateMerchant } = await this.tidemark.graphql(
      "mutation ($input: UpdateMerchantInput!) { updateMerchant(input: $input) { userErrors { message } } }",
      { input: this.settings },
    )
    expect(updateMerchant.userErrors).toEqual([])
  }

  /**
   * Sends batches one after the other, and waits until all of it is counted.
   * @param size how long each batch is
   */
  async send(events: ReadonlyArray<Given>, size: () => number = () => 5_000): Promise<void> {
    const whole = events.map((event) => ({
      id: `${this.id}-${made++}`,
      type: "pageview",
      merchantId: this.id,
      ...event,
    }))
    let position = "0"
    for (let at = 0; at < whole.length; ) {
      const batch = whole.slice(at, at + size())
      const { status, body } = await this.tidemark.send(batch)
      expect(status, JSON.stringify(body)).toBe(202)
      expect(body.rejected).toEqual([])
      position = body.position
      at += batch.length
    }
    const arrival = Date.now()
    const { currency } = this.settings
    for (const event of whole) {
      this.counted.push(collected(event, currency, arrival, AGENTS[event.userAgent ?? ""]))
    }
    await counted(this.tidemark, this.id, position)
  }

  /** The answers that are not what they must be. */
  differences(questions: ReadonlyArray<Question>): Promise<ReadonlyArray<string>> {
    return differences(this.tidemark, this.id, questions)
  }

  /** One field of the merchant. */
  // biome-ignore lint/suspicious/noExplicitAny: the shape follows the field
  async ask(field: string): Promise<any> {
    const { merchant } = await this.tidemark.graphql(`{ merchant(id: "${this.id}") { answer: ${field} } }`)
    return merchant.answer
  }

  /** The metric's value in each bucket, by the first 16 characters of its first instant in UTC. */
  async series(
    metric: string,
    interval: string,
    from: string,
    to: string,
  ): Promise<Record<string, number | null>> {
    const { points } = await this.ask(
      `series(metric: ${metric} interval: ${interval} range: {from: "${from}" to: "${to}"}) { points { at value } }`,
    )
    return Object.fromEntries(
      points.map(({ at, value }: { at: string; value: number | null }) => [at.slice(0, 16), value]),
    )
  }

  /** Every metric over a range. */
  async totals(from: string, to: string, narrowing = ""): Promise<Record<string, number | null>> {
    const { values } = await this.ask(
      `totals(range: {from: "${from}" to: "${to}"} ${narrowing}) { values { metric value } }`,
    )
    return Object.fromEntries(
      values.map(({ metric, value }: { metric: string; value: number | null }) => [metric, value]),
    )
  }

  /** The metric's value by key. */
  async rows(
    metric: string,
    by: string,
    from: string,
    to: string,
    narrowing = "",
  ): Promise<ReadonlyArray<readonly [string, number | null]>> {
    const { rows } = await this.ask(
      `breakdown(metric: ${metric} by: ${by} range: {from: "${from}" to: "${to}"} first: 1000 ${narrowing}) { rows { key value } }`,
    )
    return rows.map(({ key, value }: { key: string; value: number | null }) => [key, value] as const)
  }
}
