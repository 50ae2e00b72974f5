import { rmSync } from "node:fs"
import { join } from "node:path"
import type { RecordedEvent } from "../../../src/domain/Event.js"
import type { SettingsChange, SystemSettings } from "../../../src/domain/Settings.js"
import { until as pollUntil } from "../../support/until.js"
import { admin, event, type Running, start, temporary, until } from "./harness.js"

export const MINUTE = 60_000
export const START = Date.UTC(2026, 5, 1)

export const typesOf = (log: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> =>
  log.map(({ event }) => event.type)

/** Actors whose clock is a number. */
export class World {
  now = START
  private running: Running | undefined

  constructor(
    readonly directory = temporary(),
    private readonly idleAfterMs = 30 * MINUTE,
  ) {}

  async start(idleAfterMs = this.idleAfterMs): Promise<void> {
    this.running = await start(this.directory, {
      tuning: { now: () => this.now, idleAfterMs, tickMs: 1 },
    })
  }

  get actors(): Running {
    if (this.running === undefined) throw new Error("not started")
    return this.running
  }

  async restart(forget = false, idleAfterMs = this.idleAfterMs): Promise<void> {
    await this.close()
    if (forget) rmSync(join(this.directory, "actors.clients"), { force: true })
    await this.start(idleAfterMs)
  }

  async close(): Promise<void> {
    await this.running?.close()
    this.running = undefined
  }

  system = async (change: SystemSettings): Promise<void> => {
    const done = await new Promise<{ readonly _tag: string }>((resolve) =>
      this.actors.recorder.changeSystem({ change, origin: admin }, resolve),
    )
    if (done._tag !== "Saved") throw new Error(`not saved: ${done._tag}`)
  }

  merchant = (merchantId: string, change: SettingsChange) =>
    this.actors.settings({ merchantId, kind: "update", change, origin: admin })

  facts = async (): Promise<ReadonlyArray<string>> =>
    typesOf(await this.actors.all()).filter((type) => type.startsWith("Client") && type !== "ClientSeen")

  async untilTypes(type: string, count: number): Promise<void> {
    await pollUntil(`${count} ${type}`, 15_000, async () => {
      return typesOf(await this.actors.all()).filter((one) => one === type).length === count
    })
  }

  /** Waits until so many facts are in the log. */
  async until(count: number): Promise<void> {
    let facts = 0
    let asking = false
    await until(`${count} facts`, () => {
      if (!asking) {
        asking = true
        void this.facts().then((found) => {
          facts = found.length
          asking = false
        })
      }
      return facts >= count
    })
  }
}

export const visit = (world: World, id: string, at = world.now, clientId = "c-1", type = "pageview") =>
  world.actors.record([event("m-1", id, { clientId, at, type })])
