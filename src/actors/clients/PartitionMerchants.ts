import type { Silence } from "../../domain/Event.js"
import { type Active, type Idle, isIdle, type Presence, type Touch } from "../../domain/Idle.js"
import { merchantStream, type Partition } from "../../domain/Partition.js"
import { compare, type Position } from "../../domain/Position.js"
import { beginRate, hear, moveRate, type UsualRate } from "../../domain/UsualRate.js"
import type { StreamIndex } from "../StreamIndex.js"
import type { WatchedMerchants } from "./ClientsFile.js"
import { ofMerchants, type WatchSettings } from "./Facts.js"
import { PartitionClients, type Settled } from "./PartitionClients.js"

/**
 * The merchants of one partition whose silence is watched, from the setting on. As there are few, those that are
 * silent stay in memory and in the file as well: together with the log behind it that says all, and what is learned
 * from each recording misses none.
 */
export class PartitionMerchants extends PartitionClients {
  /** Of those whose silence is learned. */
  private readonly rates = new Map<string, UsualRate>()
  /** Restored from a file that does not say who is silent: the index does. */
  private lacksSilent = false

  constructor(partition: Partition) {
    super(partition, Number.POSITIVE_INFINITY, ofMerchants)
  }

  override isWatched(merchantId: string): boolean {
    return this.own.has(merchantId) || this.rates.has(merchantId)
  }

  override rateOf(merchantId: string): UsualRate | undefined {
    return this.rates.get(merchantId)
  }

  /** Silence after which the merchant is reported, by what may be learned in the turn in progress, ms. */
  silentAfterBy(merchantId: string, rate: UsualRate | undefined): number {
    if (rate?.afterMs !== undefined) return rate.afterMs
    const seconds = this.own.get(merchantId)?.idleAfterSeconds
    return seconds ? seconds * 1000 : Number.POSITIVE_INFINITY
  }

  override idleAfterOf(merchantId: string): number {
    return this.silentAfterBy(merchantId, this.rates.get(merchantId))
  }

  /**
   * A merchant of which nothing is known counts from the setting on; one that is watched no more is forgotten.
   */
  override set(merchantId: string, change: WatchSettings, recordedAt: number, isSilent: () => boolean): void {
    const { idleAfterSeconds, isLearned, timezone } = change
    const rate = this.rates.get(merchantId)
    if (isLearned === undefined) {
      // It says nothing but the time zone.
      if (rate === undefined || !this.move(merchantId, rate, timezone, recordedAt)) return
      this.follow(merchantId)
      return
    }
    if (!isLearned) this.rates.delete(merchantId)
    else if (rate === undefined) this.rates.set(merchantId, beginRate(timezone ?? "UTC", recordedAt))
    else this.move(merchantId, rate, timezone, recordedAt)
    this.setTimes(merchantId, idleAfterSeconds === undefined ? {} : { idleAfterSeconds })
    if (!this.isWatched(merchantId)) {
      this.live.remove(merchantId)
      this.idle.delete(merchantId)
    } else if (this.live.find(merchantId) < 0 && !this.idle.has(merchantId) && !isSilent()) {
      this.put(merchantId, merchantId, { at: recordedAt, recordedAt })
    }
  }

  /** What was learned counts in the time zone from now on; false when it does already. */
  private move(merchantId: string, rate: UsualRate, zone: string | undefined, recordedAt: number): boolean {
    if (zone === undefined || zone === rate.zone) return false
    const at = this.live.get(merchantId)?.recordedAt ?? recordedAt
    this.rates.set(merchantId, moveRate(rate, zone, at))
    return true
  }

  /** The time of clients. */
  override setStandardIn(): void {}

  override settle(settled: Settled, becomes: Active | Idle): void {
    const { id, rate } = settled
    if (rate !== undefined) this.rates.set(id, rate)
    if (isIdle(becomes)) this.idle.set(id, becomes)
    else this.idle.delete(id)
    super.settle(settled, becomes)
  }

  override beginFold(): void {}

  override endFold(upTo: Position): void {
    if (compare(upTo, this.upTo) > 0) this.upTo = upTo
  }

  protected override hear(
    key: string,
    before: Presence,
    touched: Touch,
    at: number,
    recordedAt: number,
  ): void {
    const rate = this.rates.get(key)
    if (rate !== undefined) this.rates.set(key, hear(rate, before, touched, at, recordedAt))
  }

  protected override presenceOf(key: string, index: StreamIndex): Presence | "later" {
    if (this.lacksSilent) return super.presenceOf(key, index)
    return this.live.get(key) ?? this.idle.get(key)
  }

  /** After the log was read to its end. */
  findSilent(index: StreamIndex): void {
    if (!this.lacksSilent) return
    this.lacksSilent = false
    for (const merchantId of this.own.keys()) {
      if (this.live.find(merchantId) >= 0 || this.idle.has(merchantId)) continue
      const silence = index.find(merchantStream(this.partition, merchantId))?.presence?.silence
      if (silence !== undefined) this.idle.set(merchantId, { silence })
    }
  }

  dump(): WatchedMerchants {
    return {
      own: [...this.own],
      lacking: this.lackingFacts(Number.POSITIVE_INFINITY),
      odd: this.live.texts(),
      // A partition of another owner is kept as it was found: who reads this asks the index as well.
      ...(this.lacksSilent
        ? {}
        : { silent: [...this.idle].map(([merchantId, { silence }]) => [merchantId, silence] as const) }),
      rates: [...this.rates].map(
        ([merchantId, { usual, ...rate }]) =>
          [merchantId, { ...rate, usual: Buffer.from(usual.buffer).toString("base64") }] as const,
      ),
    }
  }

  restore({ own, lacking, odd, silent, rates = [] }: WatchedMerchants, upTo: Position): void {
    for (const [merchantId, times] of own) this.setTimes(merchantId, times)
    for (const [merchantId, { usual, ...rate }] of rates) {
      const bytes = Uint8Array.from(Buffer.from(usual, "base64"))
      const { afterMs } = rate
      this.rates.set(merchantId, { ...rate, afterMs, usual: new Float64Array(bytes.buffer) })
    }
    for (const [merchantId, silence] of silent ?? ([] as ReadonlyArray<readonly [string, Silence]>)) {
      this.idle.set(merchantId, { silence })
    }
    this.lacksSilent = silent === undefined
    this.restoreLacking(lacking)
    const nobody = { merchants: [], bytes: 0, records: [], odd }
    this.live.restore(nobody, (merchantId) => this.idleAfterOf(merchantId))
    this.upTo = upTo
  }
}
