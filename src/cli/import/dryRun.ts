import { randomBytes } from "node:crypto"
import { defaultCollectConfig } from "../../collect/CollectConfig.js"
import { Identity } from "../../collect/Identity.js"
import { parseEvent } from "../../collect/parseEvent.js"
import { Rejection } from "../../collect/Rejection.js"
import { notesOf } from "./Format.js"
import { type Piece, Splitter } from "./Records.js"
import { CannotImport, type ImportJob, sourceName } from "./runImport.js"
import { openSource } from "./Source.js"

const SHOWN = 5
const REPORTS = 10

/** What a server would say of an event: undefined when it would take it. Nothing is sent. */
const makeJudge = () => {
  const context = {
    identity: new Identity(randomBytes(32), "daily"),
    now: Date.now(),
    ahead: defaultCollectConfig.aheadMs,
    merchantId: undefined,
    idempotencyKey: undefined,
    randomId: () => "",
  }
  return (json: string): string | undefined => {
    const parsed = parseEvent(JSON.parse(json), 0, context)
    return parsed instanceof Rejection ? `${parsed.code}: ${parsed.message}` : undefined
  }
}

/** Reads the whole file, shows its first events and what would be wrong, and sends nothing. */
export const dryRun = async (job: ImportJob): Promise<void> => {
  const source = await openSource(job.file)
  const format = job.format(sourceName(source, job.options.source), undefined)
  const splitter = new Splitter(format.findEnd, { offset: 0, line: 1 })
  const judge = makeJudge()
  const types = new Map<string, number>()
  const notes = new Map<string, number>()
  let records = 0
  let events = 0
  let bad = 0
  const report = (piece: Piece, reason: string): void => {
    bad += 1
    if (bad <= REPORTS) console.error(`line ${piece.line} (byte ${piece.offset}): ${reason}`)
    if (bad === REPORTS + 1) console.error("More of them are counted and not shown.")
  }
  const look = (piece: Piece): void => {
    const converted = format.convert(piece)
    if (converted.header === true) return
    records += 1
    if ("problem" in converted) {
      report(piece, converted.problem)
      return
    }
    for (const note of notesOf(piece, converted)) notes.set(note, (notes.get(note) ?? 0) + 1)
    for (const { json } of converted.events) {
      const refused = judge(json)
      if (refused !== undefined) {
        report(piece, refused)
        continue
      }
      events += 1
      if (events <= SHOWN) console.log(json)
      const { type } = JSON.parse(json) as { readonly type: string }
      types.set(type, (types.get(type) ?? 0) + 1)
    }
  }
  for await (const chunk of source.bytes(0)) for (const piece of splitter.push(chunk).pieces) look(piece)
  for (const piece of splitter.end().pieces) look(piece)
  if (records === 0) throw new CannotImport(`${job.file} is empty`)
  console.log(`${format.unit}s: ${records}, events: ${events}, can't be read or would be refused: ${bad}`)
  for (const [type, count] of types) console.log(`  ${type}: ${count}`)
  for (const [note, count] of notes) console.log(`  ${count} ${note}`)
  console.log("Nothing was sent.")
  if (job.options.strict && bad > 0) process.exitCode = 1
}
