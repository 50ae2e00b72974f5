/** Totals since the start, for `/metrics`. */
export class Counters {
  turns = 0
  appended = 0
  accepted = 0
  duplicates = 0
  refused = 0
  busy = 0
  unavailable = 0
  conflicts = 0
  unknownOutcomes = 0
}
