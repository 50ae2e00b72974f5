import { PARTITIONS, type Partition } from "../domain/Partition.js"
import { compare } from "../domain/Position.js"
import type { Progress } from "./Processors.js"

/**
 * A part of a build, folded by itself: some partitions, whose documents no other part touches. Parts of one build
 * commit one after the other, each with the checkpoints of its own partitions.
 */
export interface Lane {
  readonly partitions: ReadonlySet<Partition>
  /** How many lanes share the memory that one alone would have. */
  readonly of: number
}

/**
 * Divides all partitions among lanes so that each has about as much to fold: the heaviest first, each to the
 * lane that has least. `weights` says how much each partition has; without, or where all are 0, all weigh the same.
 */
export const lanesOf = (weights: ReadonlyArray<number>, lanes: number): ReadonlyArray<Lane> => {
  // What was not met in a sample is little, and not nothing.
  const weightOf = (partition: Partition): number => weights[partition] || 0.5
  const parts = Array.from({ length: lanes }, () => ({ weight: 0, partitions: new Set<Partition>() }))
  const heaviest = Array.from({ length: PARTITIONS }, (_, partition) => partition).sort(
    (a, b) => weightOf(b) - weightOf(a) || a - b,
  )
  for (const partition of heaviest) {
    const least = parts.reduce((a, b) => (b.weight < a.weight ? b : a))
    least.weight += weightOf(partition)
    least.partitions.add(partition)
  }
  return parts.map(({ partitions }) => ({ partitions, of: lanes }))
}

const sumOf = (counts: ReadonlyArray<Readonly<Record<string, number>>>): Record<string, number> => {
  const sums: Record<string, number> = {}
  for (const one of counts) for (const [name, n] of Object.entries(one)) sums[name] = (sums[name] ?? 0) + n
  return sums
}

/** What the lanes of one build say, as what the build says: it is where the last of them is. */
export const together = (lanes: readonly [Progress, ...Array<Progress>]): Progress => {
  const {
    deadLetters: _,
    passedOver: __,
    stopped: ___,
    ...last
  } = lanes.reduce((a, b) => {
    const order = compare(b.position, a.position)
    return order < 0 || (order === 0 && (b.recordedAt ?? 0) > (a.recordedAt ?? 0)) ? b : a
  })
  const letters = lanes.flatMap(({ deadLetters }) => deadLetters ?? [])
  const passedOver = lanes.flatMap((lane) => (lane.passedOver === undefined ? [] : [lane.passedOver]))
  const stopped = lanes.find((lane) => lane.stopped !== undefined)?.stopped
  return {
    ...last,
    eventsPerSecond: lanes.reduce((sum, { eventsPerSecond }) => sum + eventsPerSecond, 0),
    ...(letters.length === 0
      ? {}
      : {
          deadLetters: {
            merchants: letters.reduce((sum, { merchants }) => sum + merchants, 0),
            waiting: letters.reduce((sum, { waiting }) => sum + waiting, 0),
          },
        }),
    ...(passedOver.length === 0 ? {} : { passedOver: sumOf(passedOver) }),
    ...(stopped === undefined ? {} : { stopped }),
  }
}
