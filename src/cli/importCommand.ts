import { readFileSync } from "node:fs"
import { Command, InvalidArgumentError, Option } from "commander"
import { accessLogFormat } from "./import/accessLogFormat.js"
import { csvFormat } from "./import/csvFormat.js"
import { delimiterByte } from "./import/csvRow.js"
import { dryRun } from "./import/dryRun.js"
import type { Format } from "./import/Format.js"
import { fieldNames, parseMapping } from "./import/Mapping.js"
import { Rejects } from "./import/Rejects.js"
import { type ImportJob, type ImportOptions, runImport } from "./import/runImport.js"
import { meaningOf } from "./import/State.js"
import { staticExtensions } from "./import/staticFiles.js"
import { guarded, seconds } from "./options.js"

interface Given extends ImportOptions {
  readonly dryRun: boolean
}

interface AccessLogGiven extends Given {
  readonly merchant: string
}

interface CsvGiven extends Given {
  readonly map: ReadonlyArray<string>
  readonly set: ReadonlyArray<string>
  readonly mapping?: string
  readonly merchant?: string
  readonly delimiter: string
  readonly rejects?: string
}

/** A parser of merchant ids. */
export const merchantId = (text: string): string => {
  if (!/^[A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}$/.test(text)) {
    throw new InvalidArgumentError(
      "It may have 1 to 64 characters A-Z a-z 0-9 _ . - and must not begin with _.",
    )
  }
  return text
}

const delimiter = (text: string): string => {
  const one = text === "tab" || text === "\\t" ? "\t" : text
  if (delimiterByte(one) === undefined) {
    throw new InvalidArgumentError('It must be one character of ASCII, or "tab".')
  }
  return one
}

const collect = (text: string, before: ReadonlyArray<string>): ReadonlyArray<string> => [...before, text]

const exitCodes = `
Exit code: 0 done, 1 done and --strict found something wrong, 2 it could not be finished, 130 interrupted.
After 2 and 130 the same command goes on where it stopped. Running it again counts nothing twice.`

const accessLogHelp = `
Every line gives a "request" of its client, and a GET that was answered with 2xx or 304 a "pageview" as well,
unless its path ends in one of these extensions:
${Object.entries(staticExtensions)
  .map(([name, extensions]) => `  ${name}: ${extensions}`)
  .join("\n")}
A client is an address with a user agent.
${exitCodes}`

const inLines = (names: ReadonlyArray<string>): string =>
  names
    .join(", ")
    .replaceAll(/(.{1,80}(?:,|$)) ?/g, "  $1\n")
    .trimEnd()

const csvHelp = `
Fields:
${inLines(fieldNames)}
Transforms: of timestamp seconds, milliseconds, iso; of amount major (12.45), minor (1245); of texts slug, lower.
A --set beside a --map of the same field stands in for empty values.

Taxi fares, by company:
  tidemark import csv payments.csv --set type=payment --map merchantId=company:slug \\
    --map timestamp=trip_start_timestamp:seconds --map amount=fare:major --set currency=USD \\
    --map paymentMethod=payment_type
${exitCodes}`

const withImportOptions = (command: Command): Command =>
  command
    .argument("<file>", 'the file, "-" for standard input; gzip is recognised')
    .option("--url <url>", "where Tidemark is", "http://127.0.0.1:4000")
    .option(
      "--key <key>",
      "administrator's key (default: TIDEMARK_ADMIN_KEY, or the one in the data directory)",
    )
    .option("--source <name>", "what events' ids begin with (default: the file's name)")
    .option("--state <file>", "where progress is kept (default: imports/ in the data directory)")
    .option("--restart", "forget the progress of an earlier run", false)
    .option("--patience <seconds>", "how long to repeat a request that fails", seconds, 300)
    .option("--strict", "exit with 1 when something can't be read or was refused", false)
    .option("--dry-run", "show the first events and the counts, send nothing", false)
    .option("--json", "print the summary as one line of JSON", false)

const importAccessLog = async (file: string, given: AccessLogGiven): Promise<void> => {
  const { merchant } = given
  const job: ImportJob = {
    ...{ file, options: given, merchant, meaning: meaningOf("access-log", given.url, merchant) },
    format: (source) => accessLogFormat({ merchantId: merchant, source }),
  }
  await (given.dryRun ? dryRun(job) : runImport(job))
}

const importCsv = async (file: string, given: CsvGiven): Promise<void> => {
  const mapping = parseMapping(
    given.map,
    given.merchant === undefined ? given.set : [...given.set, `merchantId=${given.merchant}`],
    given.mapping === undefined ? undefined : readFileSync(given.mapping, "utf8"),
  )
  if (
    given.merchant !== undefined &&
    mapping.rules.some((rule) => rule.field === "merchantId" && rule.column)
  ) {
    throw new Error("give either --merchant or a column for merchantId")
  }
  const current = { format: undefined as Format | undefined }
  const rejects =
    given.rejects === undefined ? undefined : new Rejects(given.rejects, () => current.format?.memory() ?? [])
  const job: ImportJob = {
    ...{ file, options: given, merchant: given.merchant ?? "" },
    meaning: meaningOf("csv", given.url, given.delimiter, JSON.stringify(mapping)),
    format: (source, header) => {
      current.format = csvFormat({ mapping, source, delimiter: given.delimiter }, header)
      return current.format
    },
    ...(rejects === undefined
      ? {}
      : { onBegin: (resumed) => rejects.open(resumed), onReport: (report) => rejects.write(report) }),
  }
  try {
    await (given.dryRun ? dryRun(job) : runImport(job))
  } finally {
    rejects?.close()
  }
}

/** `tidemark import access-log` and `tidemark import csv`. */
export const importCommand = (): Command =>
  new Command("import")
    .description("bring in history from files")
    .addCommand(
      withImportOptions(new Command("access-log"))
        .description("import a web server's access log, in common or combined log format")
        .requiredOption("--merchant <id>", "whose log it is", merchantId)
        .addHelpText("after", accessLogHelp)
        .action(guarded(importAccessLog)),
    )
    .addCommand(
      withImportOptions(new Command("csv"))
        .description("import rows of CSV as events")
        .addOption(
          new Option("--map <field=column[:transform]>", "take a field from a column; repeatable")
            .argParser(collect)
            .default([], "none"),
        )
        .addOption(
          new Option("--set <field=value>", "give a field the same value in all events; repeatable")
            .argParser(collect)
            .default([], "none"),
        )
        .option("--mapping <file>", 'the same in a file: {"map":{FIELD:"COLUMN"},"set":{FIELD:"VALUE"}}')
        .option("--merchant <id>", "whose events they are, when no column says it", merchantId)
        .option("--delimiter <character>", 'between fields, "tab" for tabs', delimiter, ",")
        .option("--rejects <file>", "write the rows that gave no event here, with the reasons")
        .addHelpText("after", csvHelp)
        .action(guarded(importCsv)),
    )
