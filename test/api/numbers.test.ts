import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { counted, differences } from "../support/askNumbers.js"
import { AGENTS, type DrawnMerchant, drawEvents, drawMerchant } from "../support/drawEvents.js"
import { drawNarrowing, drawRange, everyQuestion, someQuestions } from "../support/drawQuestions.js"
import { Oracle } from "../support/oracle.js"
import { type Counted, collected, type RawEvent } from "../support/oracleEvents.js"
import { rounds } from "../support/rounds.js"
import { type Random, seededRandom } from "../support/Seed.js"
import { TidemarkProcess, temporaryDirectory } from "../support/TidemarkProcess.js"

const countedAs = ({ currency }: DrawnMerchant, event: RawEvent): Counted =>
  collected(event, currency, undefined, AGENTS[event.userAgent ?? ""])

describe("every number equals its definition", () => {
  const directory = temporaryDirectory()
  const tidemark = new TidemarkProcess(directory.path)
  let random: Random
  beforeAll(async () => {
    random = seededRandom("numbers").random
    await tidemark.start()
  })
  afterAll(async () => {
    await tidemark.stop()
    directory.remove()
  })

  const create = async (merchant: DrawnMerchant): Promise<void> => {
    const { createMerchant } = await tidemark.graphql(
      "mutation ($input: CreateMerchantInput!) { createMerchant(input: $input) { userErrors { message } } }",
      { input: merchant },
    )
    expect(createMerchant.userErrors).toEqual([])
  }

  const send = async (merchant: DrawnMerchant, events: ReadonlyArray<RawEvent>): Promise<void> => {
    let position = "0"
    for (let at = 0; at < events.length; ) {
      const batch = events.slice(at, at + 1 + random.integer(random.pick([3, 50, 400])))
      const { status, body } = await tidemark.send(batch)
      expect(status).toBe(202)
      expect(body.rejected).toEqual([])
      position = body.position
      at += batch.length
    }
    await counted(tidemark, merchant.id, position)
  }

  it("totals, series at every interval and breakdowns by every dimension, of random merchants", async () => {
    for (let round = 0; round < rounds(6, 60); round++) {
      const now = Date.now()
      const merchant = drawMerchant(random, `m-${round}`)
      await create(merchant)
      const events = drawEvents(random, merchant, now)
      const half = random.integer(events.length)
      const found: Array<string> = []
      for (const [from, to] of [
        [0, half],
        [half, events.length],
      ] as const) {
        await send(merchant, events.slice(from, to))
        const known = events.slice(0, to).map((event) => countedAs(merchant, event))
        if (known.length === 0) continue
        const oracle = new Oracle(known, merchant.timezone, merchant.currency)
        const last = to === events.length
        const questions = [
          ...(last ? everyQuestion(oracle, drawRange(random, known), now) : []),
          ...(last ? everyQuestion(oracle, drawRange(random, known), now, drawNarrowing(random, known)) : []),
          ...someQuestions(random, oracle, known, now, last ? 150 : 50),
        ]
        found.push(...(await differences(tidemark, merchant.id, questions)))
      }
      expect(found, `${JSON.stringify(merchant)}, ${found.length} wrong answers`).toEqual([])
    }
  })
})
