import type { PendingSession } from "./Layout.js"

/** By `p` and the position of a session's earliest event, as it is stored. */
interface Stored {
  [name: string]: PendingSession
}

export type StoredWaiting = Waiting | Stored

/** Changes of sessions that are not settled, to be changed in place. */
export class Waiting {
  /** By the position of a session's earliest event. */
  readonly byPosition = new Map<string, PendingSession>()

  static of(stored: StoredWaiting | undefined): Waiting {
    if (stored instanceof Waiting) return stored
    const waiting = new Waiting()
    for (const name in stored) waiting.byPosition.set(name.slice(1), stored[name] as PendingSession)
    return waiting
  }

  /** By hand: an object with so many names that no other has would take ten times as long. */
  toText(): string {
    let text = ""
    for (const [position, pending] of this.byPosition) text += `,"p${position}":${JSON.stringify(pending)}`
    return `{${text.slice(1)}}`
  }
}
