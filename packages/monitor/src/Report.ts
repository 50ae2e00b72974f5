/** Something that whoever runs the server should know. */
export interface Report {
  /**
   * - `away`, `back`: Tidemark takes nothing for now; it does again
   * - `refused`: it answers, but with what repeating does not change, such as 401: the spool waits until that is put right
   * - `dropped`: memory or spool was full
   * - `rejected`: it took a batch but not all requests of it
   * - `disk`: the spool can't be written or read
   * - `damaged`: a piece of a line was left on the spool by a crash
   * - `option`: a function of the application threw
   */
  readonly kind: "away" | "back" | "refused" | "dropped" | "rejected" | "disk" | "damaged" | "option"
  readonly message: string
}

export type OnReport = (report: Report) => void

export const toStderr: OnReport = ({ kind, message }) => {
  process.stderr.write(`tidemark-monitor ${kind}: ${message}\n`)
}

/** A report that fails must not stop what it reports on. */
export const guarded =
  (onReport: OnReport): OnReport =>
  (report) => {
    try {
      onReport(report)
    } catch (cause) {
      toStderr(report)
      toStderr({ kind: "option", message: `onReport threw: ${String(cause)}` })
    }
  }

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
