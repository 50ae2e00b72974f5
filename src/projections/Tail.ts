import type { Position } from "../domain/Position.js"
import { Columns, type Fact, FactRows, type Segment } from "./Segments.js"
import { PROPERTY_WEIGHT, SegmentWriter } from "./SegmentWriter.js"

/**
 * What the texts and properties of a document may weigh before no more facts go in, in characters: it is
 * written anew with each commit while it grows, and properties of one event may be as long as this.
 */
const MOST_WEIGHT = 64 * 1024

/** What a fact adds to the weight of a segment at most: its texts may be there already. */
const weightOf = ({ visitor, values, properties }: Fact): number => {
  let weight = PROPERTY_WEIGHT + (visitor?.length ?? 0)
  for (let i = 0; i < values.length; i++) weight += values[i]?.length ?? 0
  if (properties === null) return weight
  for (const name in properties) weight += PROPERTY_WEIGHT + name.length + (properties[name]?.length ?? 0)
  return weight
}

/** A segment that grows, in memory: facts wait until somebody asks for it, and are then laid into it together. */
export class Tail {
  private writer: SegmentWriter | undefined
  private waiting: Array<Fact> = []
  /** What it weighs at most. */
  private weight = 0
  private lastFact: Position | undefined

  constructor(
    private readonly stored: Segment,
    private readonly isPlain: boolean,
  ) {
    if (stored.n > 0) this.flush()
  }

  get size(): number {
    return this.stored.n + this.waiting.length
  }

  /** Position of the fact that was appended last; undefined while there is none. */
  get lastPosition(): Position | undefined {
    return this.lastFact
  }

  add(fact: Fact): void {
    this.waiting.push(fact)
    this.weight += weightOf(fact)
    this.lastFact = fact.position
  }

  /** Whether its facts are so heavy that no more should go in. */
  get isHeavy(): boolean {
    return this.weight >= MOST_WEIGHT && this.flush().weight >= MOST_WEIGHT
  }

  /** To be counted from. Facts of all merchants together need no segment for that. */
  get rows(): Columns | FactRows {
    return this.isPlain && this.stored.n === 0 ? new FactRows(this.waiting) : new Columns(this.segment)
  }

  get segment(): Segment {
    if (this.waiting.length > 0) this.flush()
    return this.stored
  }

  toJSON(): Segment {
    return this.segment
  }

  private flush(): SegmentWriter {
    this.writer ??= new SegmentWriter(this.stored, this.isPlain)
    this.writer.append(this.waiting)
    this.waiting = []
    this.weight = this.writer.weightWithProperties
    this.lastFact = this.writer.lastPosition
    return this.writer
  }
}
