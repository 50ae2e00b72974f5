const MINUTE = 60_000
const HOUR = 60 * MINUTE
const WEEK = 168

const formats = new Map<string, Intl.DateTimeFormat>()

const formatOf = (timeZone: string): Intl.DateTimeFormat => {
  let format = formats.get(timeZone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-GB", {
      ...{ timeZone, weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
    })
    formats.set(timeZone, format)
  }
  return format
}

/** Minutes of the week by a zone's clock, from Node's own data and nothing of the program's. */
const localMinutes = (zone: string, at: number): number => {
  const parts = formatOf(zone).formatToParts(at)
  const part = (type: string): string => parts.find((one) => one.type === type)?.value ?? ""
  const day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].indexOf(part("weekday"))
  return day * 1440 + Number(part("hour")) * 60 + Number(part("minute"))
}

const weekMinutes = WEEK * 60

/** How far a zone is ahead of UTC, in minutes, -12 h to +14 h. */
const ahead = (zone: string, at: number): number => {
  const difference = localMinutes(zone, at) - localMinutes("UTC", at)
  const wrapped = ((difference % weekMinutes) + weekMinutes) % weekMinutes
  return wrapped > weekMinutes / 2 ? wrapped - weekMinutes : wrapped
}

interface PastHour {
  label: number
  readonly minutes: number
  readonly week: number
}

/** What is usual for a merchant in an hour of the week, from the list of all its hours and all its gaps. */
export class UsualWeek {
  afterMs: number | undefined
  private phase: number
  private readonly first: number
  private hour: number
  private counted = new Set<number>()
  private latest: number
  private readonly past: Array<PastHour> = []
  private readonly gaps: Array<{ readonly expected: number; readonly week: number }> = []
  private means: ReadonlyArray<number> = new Array(WEEK).fill(0)
  private readonly labels = new Map<number, number>()

  constructor(
    public zone: string,
    at: number,
  ) {
    this.phase = this.phaseAt(at)
    this.hour = this.hourAt(at)
    this.first = this.hour + 1
    this.latest = Math.floor(at / MINUTE)
  }

  move(zone: string, at: number): void {
    const by = Math.round((ahead(zone, at) - ahead(this.zone, at)) / 60)
    this.zone = zone
    this.phase = this.phaseAt(at)
    this.labels.clear()
    for (const one of this.past) one.label = (one.label + by + WEEK) % WEEK
    this.average()
    this.afterMs = this.unusualAfter(at)
  }

  hear(at: number, recordedAt: number, lastRecordedAt: number, wasReported: boolean): void {
    const minute = Math.floor(recordedAt / MINUTE)
    if (minute <= this.latest) return
    this.latest = minute
    const isNow = recordedAt - at <= 24 * HOUR
    const isMeasured = isNow && this.hourAt(lastRecordedAt) - this.first >= WEEK
    const expected = isMeasured ? this.expected(lastRecordedAt, recordedAt) : 0
    const gap = wasReported && this.afterMs !== undefined ? Math.min(expected, this.threshold()) : expected
    this.passTo(this.hourAt(recordedAt))
    if (isNow) this.counted.add(minute)
    if (isMeasured) this.gaps.push({ expected: gap, week: this.weekOf(this.hour) })
    this.afterMs = this.unusualAfter(recordedAt)
  }

  private phaseAt(at: number): number {
    return ((((ahead(this.zone, at) % 60) + 60) % 60) * MINUTE) as number
  }

  private hourAt(at: number): number {
    return Math.floor((at + this.phase) / HOUR)
  }

  private weekOf(hour: number): number {
    return Math.floor((hour - this.first) / WEEK)
  }

  private label(hour: number): number {
    let known = this.labels.get(hour)
    if (known === undefined) {
      known = Math.floor(localMinutes(this.zone, hour * HOUR - this.phase) / 60)
      this.labels.set(hour, known)
    }
    return known
  }

  private passTo(hour: number): void {
    if (hour <= this.hour) return
    for (let one = this.hour; one < hour; one++) {
      const minutes = one === this.hour ? this.counted.size : 0
      if (one >= this.first) this.past.push({ label: this.label(one), minutes, week: this.weekOf(one) })
    }
    this.hour = hour
    this.counted = new Set()
    this.average()
  }

  /** Of each hour of the week: a week's part is one in as many as there were, in eight at most; the rest is older. */
  private average(): void {
    const means: Array<number> = new Array(WEEK).fill(0)
    const left: Array<number> = new Array(WEEK).fill(1)
    for (const { label, minutes, week } of [...this.past].reverse()) {
      const part = 1 / Math.min(8, week + 1)
      means[label] = (means[label] as number) + minutes * part * (left[label] as number)
      left[label] = (left[label] as number) * (1 - part)
    }
    this.means = means
  }

  private expected(from: number, to: number): number {
    let sum = 0
    for (let at = from; at < to; ) {
      const hour = this.hourAt(at)
      const until = Math.min(to, (hour + 1) * HOUR - this.phase)
      sum += ((until - at) / HOUR) * (this.means[this.label(hour)] as number)
      at = until
    }
    return sum
  }

  private weighted(): ReadonlyArray<{ readonly expected: number; readonly weight: number }> {
    return this.gaps.map(({ expected, week }) => ({
      expected,
      weight: (7 / 8) ** (this.weekOf(this.hour) - week),
    }))
  }

  private threshold(): number {
    const gaps = this.weighted()
    const sum = gaps.reduce((all, { expected, weight }) => all + expected * weight, 0)
    const squares = gaps.reduce((all, { expected, weight }) => all + expected * expected * weight, 0)
    const longest = gaps.reduce((most, { expected, weight }) => Math.max(most, expected * weight), 0)
    const mean = squares / sum / 2
    const aWeek = this.means.reduce((all, one) => all + one, 0)
    return Math.max(Math.log(Math.max(Math.E, (aWeek * 1_000) / mean)) * mean, 2.5 * longest)
  }

  private unusualAfter(from: number): number | undefined {
    if (this.hourAt(from) - this.first < 2 * WEEK) return undefined
    const gaps = this.weighted()
    if (gaps.reduce((all, { weight }) => all + weight, 0) < 10) return undefined
    if (gaps.every(({ expected }) => expected === 0)) return undefined
    // Sums that are equal on paper are equal: two orders of adding them differ by less than this.
    const threshold = Math.max(1e-6, this.threshold() - 1e-6)
    const end = (this.hourAt(from) + 8 * WEEK) * HOUR - this.phase
    let [low, high] = [0, Math.floor((end - from) / MINUTE)]
    if (this.expected(from, end) < threshold) return undefined
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (this.expected(from, from + middle * MINUTE) >= threshold) high = middle
      else low = middle
    }
    const minutes = Math.max(10, high)
    const digits = String(minutes).length
    const step = 10 ** Math.max(0, digits - 2)
    return Math.ceil(minutes / step) * step * MINUTE
  }
}
