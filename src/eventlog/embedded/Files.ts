import { join } from "node:path"

export const PAGE_SIZE = 2048

/** The files of an embedded log; all of them belong to one backup. */
export interface LogFiles {
  readonly database: string
  readonly wal: string
  /** How far appends were acknowledged. */
  readonly mark: string
  /** Held by the one process that writes. */
  readonly lock: string
}

export const filesOf = (directory: string): LogFiles => ({
  database: join(directory, "events.db"),
  wal: join(directory, "events.db-wal"),
  mark: join(directory, "events.mark"),
  lock: join(directory, "events.lock"),
})
