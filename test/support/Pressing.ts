import { expect } from "vitest"
import { PROBE } from "./independent.js"
import { readWholeLog } from "./readWholeLog.js"
import { seededRandom } from "./Seed.js"
import { type Outcome, randomEvent, Sender, type SentEvent } from "./Sender.js"
import { ADMIN_KEY, type TidemarkProcess } from "./TidemarkProcess.js"
import { until } from "./until.js"

const CONNECTIONS = 4
/** Events a second at most: what a slow store has to fold before the numbers can be compared stays bounded. */
const RATE = 300
const BATCH = 10
const DEADLINE_MS = 90_000

/** Sends random events while something goes wrong, and knows what must be in the log afterwards. */
export class Pressing {
  readonly sent = new Map<string, SentEvent>()
  private readonly acknowledged = new Set<string>()
  private readonly now = Date.now()
  private made = 0
  /** The last answer, for whoever waits in vain. */
  private answered: Outcome | undefined

  /** Waits until so many more are acknowledged. */
  async more(least: number): Promise<void> {
    const before = this.acknowledged.size
    await until(`${least} more are accepted`, DEADLINE_MS, () => this.acknowledged.size >= before + least)
  }

  /** Sends while the fault is done; what got no 202 is sent again until it has one. */
  async during(
    what: string,
    to: ReadonlyArray<TidemarkProcess>,
    fault: () => Promise<unknown>,
  ): Promise<void> {
    const { random } = seededRandom(what)
    const beganAt = performance.now()
    const before = this.made
    let going = true
    const mayGo = () => this.made - before < ((performance.now() - beganAt) / 1000) * RATE
    const press = async (target: TidemarkProcess) => {
      const sender = new Sender(() => target.url, ADMIN_KEY, CONNECTIONS)
      const one = async () => {
        while (going) {
          await until("more may be sent", DEADLINE_MS, mayGo, 5)
          const batch = Array.from({ length: 1 + random.integer(BATCH) }, () =>
            randomEvent(random, `e-${this.made++}`, this.now),
          )
          for (const event of batch) this.sent.set(event.id, event)
          await until("the batch is accepted", DEADLINE_MS, async () => {
            // Some hang up before the answer comes: for them only the reply is lost.
            if (random.integer(20) === 0) await sender.sendUnheard(batch)
            const outcome = await sender.send(batch)
            // 408: what had come in half when the program was frozen is too late when it goes on.
            expect([undefined, 202, 408, 429, 503]).toContain(outcome?.status)
            this.answered = outcome
            return outcome?.status === 202
          })
          for (const event of batch) this.acknowledged.add(event.id)
        }
      }
      await Promise.all(Array.from({ length: CONNECTIONS }, one)).finally(() => sender.close())
    }
    const pressing = Promise.all(to.map(press))
    // Told of below, where it is awaited.
    pressing.catch(() => {})
    try {
      await this.more(50)
      await fault()
      await this.more(50)
    } catch (error) {
      const last = `last answer: ${this.answered?.status ?? "none"} ${this.answered?.text ?? ""}`
      const said = to.map(({ log }) => log.slice(-4_000))
      // What pressing meets because of it is not to hide it.
      going = false
      await pressing.catch(() => {})
      throw new Error([String(error), last, ...said].join("\n"), { cause: error })
    }
    going = false
    await pressing
  }

  /** What was acknowledged is in the log once, and nothing is there that was not sent. */
  async check(dataDir: string): Promise<void> {
    const stored = await readWholeLog(dataDir)
    expect(stored.twice).toEqual([])
    expect([...this.acknowledged].filter((id) => !stored.sentIds.has(id))).toEqual([])
    expect([...stored.sentIds].filter((id) => !this.sent.has(id) && !id.startsWith(PROBE))).toEqual([])
  }
}
