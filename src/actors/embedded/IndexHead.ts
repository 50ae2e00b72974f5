import { PARTITIONS, type Partition } from "../../domain/Partition.js"
import { compare, max, type Position, start } from "../../domain/Position.js"
import type { Mark, Ticket } from "../StreamIndex.js"

interface Kept {
  readonly upTo: Position
  readonly others: Readonly<Record<string, Position>>
  readonly clocks: ReadonlyArray<number>
  readonly mark?: Mark
}

/**
 * How far the index has come: the checkpoint, the partitions that stand elsewhere, the clocks. One small
 * record, written in the same batch as everything that it speaks for.
 */
export class IndexHead {
  private readonly positions: Array<Position> = Array.from({ length: PARTITIONS }, () => start)
  private readonly clocks: Array<number> = Array.from({ length: PARTITIONS }, () => 0)
  private readonly held = new Set<Partition>()
  /** In the order they were begun, so that the first has the lowest floor. */
  private readonly tickets = new Set<Ticket>()
  private recorded: { position: Position; mark: Mark | undefined } = { position: start, mark: undefined }

  static decode(text: string | undefined): IndexHead {
    const head = new IndexHead()
    if (text === undefined) return head
    const kept = JSON.parse(text) as Kept
    head.positions.fill(kept.upTo)
    for (const [partition, position] of Object.entries(kept.others)) {
      head.positions[Number(partition)] = position
    }
    kept.clocks.forEach((clock, partition) => {
      head.clocks[partition] = clock
    })
    head.recorded = { position: head.positions.reduce(max, kept.upTo), mark: kept.mark }
    return head
  }

  encode(): string {
    const { floor, mark } = this.checkpoint()
    const others: Record<string, Position> = {}
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const position = this.positionOf(partition)
      if (position !== floor) others[partition] = position
    }
    const kept: Kept = { upTo: floor, others, clocks: this.clocks, ...(mark === undefined ? {} : { mark }) }
    return JSON.stringify(kept)
  }

  checkpoint(): Ticket {
    for (const oldest of this.tickets) return oldest
    return { floor: this.recorded.position, mark: this.recorded.mark }
  }

  positionOf(partition: Partition): Position {
    return this.held.has(partition) ? this.checkpoint().floor : (this.positions[partition] ?? start)
  }

  clock(partition: Partition): number {
    return this.clocks[partition] ?? 0
  }

  latest(): Position {
    return this.recorded.position
  }

  record(partition: Partition, position: Position, mark: Mark): void {
    if (compare(position, this.recorded.position) >= 0) this.recorded = { position, mark }
    if (mark.recordedAt > this.clock(partition)) this.clocks[partition] = mark.recordedAt
  }

  begin(): Ticket {
    const ticket: Ticket = { floor: this.recorded.position, mark: this.recorded.mark }
    this.tickets.add(ticket)
    return ticket
  }

  end(ticket: Ticket): void {
    this.tickets.delete(ticket)
  }

  hold(partition: Partition): void {
    this.held.add(partition)
  }

  release(partition: Partition): void {
    if (!this.held.has(partition)) return
    this.positions[partition] = this.checkpoint().floor
    this.held.delete(partition)
  }

  readUpTo(partitions: ReadonlyArray<Partition>, position: Position): void {
    for (const partition of partitions) {
      if (!this.held.has(partition))
        this.positions[partition] = max(this.positions[partition] ?? start, position)
    }
    if (compare(position, this.recorded.position) > 0) {
      this.recorded = { position, mark: this.recorded.mark }
    }
  }
}
