import type { FindEnd, Piece } from "./Records.js"

/** An event that is ready to be sent. */
export interface OutgoingEvent {
  readonly merchantId: string
  /** One line. */
  readonly json: string
}

/** What a record gives: events, and perhaps something worth counting; or why it gives none. */
export type Converted = {
  /** The record's fields, when it has any. */
  readonly fields?: ReadonlyArray<string>
  /** It is no record but says what the others hold. */
  readonly header?: boolean
} & (
  | { readonly events: ReadonlyArray<OutgoingEvent>; readonly notes?: ReadonlyArray<string> }
  | { readonly problem: string }
)

/** How a kind of file is cut into records, and what they mean. */
export interface Format {
  /** What a record is called: "line", "row". */
  readonly unit: string
  readonly findEnd: FindEnd
  readonly convert: (piece: Piece) => Converted
  /** What has to be known to go on in the middle of the file; undefined when nothing has. */
  readonly memory: () => ReadonlyArray<string> | undefined
}

const UNENDED = "last lines without a line break, taken as whole: import a file when nobody writes to it"

/** What is worth counting about a record. */
export const notesOf = (
  { isUnended }: Piece,
  { notes = [] }: Extract<Converted, { readonly events: unknown }>,
): ReadonlyArray<string> => (isUnended === true ? [...notes, UNENDED] : notes)

export const faults: Readonly<Record<NonNullable<Piece["fault"]>, string>> = {
  TOO_LONG: "it is longer than 1 MiB",
  NOT_CLOSED: "a quote that opens in it is not closed",
}
