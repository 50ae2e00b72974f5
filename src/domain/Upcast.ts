import { STORED_VERSION, type StoredEvent } from "./Event.js"

/**
 * Brings stored events of one type from one version of the stored form to the next. A pure function: what it
 * gives must follow from the event alone, as it is asked again on every reading, for ever.
 */
export interface Upcaster {
  /** The type as it was named in that version. */
  readonly type: string
  readonly from: number
  /** The event in the form of `from` + 1; `v` is set by who calls. */
  readonly up: (event: StoredEvent) => Omit<StoredEvent, "v">
}

/**
 * All there are, oldest first; none is ever taken out, as the log keeps its oldest event. When the stored form
 * changes: raise STORED_VERSION, and add an upcaster for each type whose form has changed.
 */
export const upcasters: ReadonlyArray<Upcaster> = []

export type Upcast = (event: StoredEvent) => StoredEvent

/**
 * Brings events of any older version up to today's, a version at a time. An event of a newer version, or one
 * whose upcaster throws, is given back as it is: it is unknown (`KnownEvents`), and no event is ever lost on
 * reading. Types without an upcaster have kept their form.
 */
export const upcastWith = (all: ReadonlyArray<Upcaster>, current = STORED_VERSION): Upcast => {
  const byType = new Map<string, Upcaster>()
  for (const one of all) {
    const name = `${one.from} ${one.type}`
    if (byType.has(name)) throw new Error(`two upcasters of ${one.type} from version ${one.from}`)
    byType.set(name, one)
  }
  return (event) => {
    if (event.v >= current) return event
    let upcast = event
    try {
      while (upcast.v < current) {
        const own = byType.get(`${upcast.v} ${upcast.type}`)
        upcast = { ...(own === undefined ? upcast : own.up(upcast)), v: upcast.v + 1 }
      }
    } catch {
      return event
    }
    return upcast
  }
}

export const upcast = upcastWith(upcasters)
