import { randomBytes, scryptSync } from "node:crypto"
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { dataDirectory } from "./DataDirectory.js"
import type { RuntimeSettings } from "./Settings.js"

export interface Secrets {
  readonly adminKey: Redacted.Redacted
  /** Of the pseudonyms (HMAC). */
  readonly secret: Redacted.Redacted
  /** The administrator's key was made just now: show it once. */
  readonly adminKeyIsNew: boolean
  readonly adminKeyFile: string
  /** The secret was made just now: the log must not have events yet. */
  readonly secretIsNew: boolean
  /** Takes a new secret back, and fails: a log with events was made with another. */
  readonly discard: Effect.Effect<never, SecretsUnreadable>
}

export class SecretsUnreadable extends Data.TaggedError("SecretsUnreadable")<{
  readonly file: string
  readonly reason: string
}> {
  override get message(): string {
    return `cannot read or make ${this.file}: ${this.reason}`
  }
}

const syncDirectory = (directory: string): void => {
  const handle = openSync(directory, "r")
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** The file's content; made when missing, whole and on disk before anyone uses it. */
const keep = (directory: string, name: string, make: () => string): { value: string; isNew: boolean } => {
  const file = join(directory, name)
  if (existsSync(file)) {
    const value = readFileSync(file, "utf8").trim()
    if (value === "")
      throw new Error("the file is empty: restore it from a backup, or remove it to get a new one")
    return { value, isNew: false }
  }
  const value = make()
  const handle = openSync(`${file}.new`, "w", 0o600)
  try {
    writeSync(handle, `${value}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(`${file}.new`, file)
  syncDirectory(directory)
  return { value, isNew: true }
}

const FINGERPRINT = "secret.fingerprint"

/** A new secret would make strangers of all clients that the log knows, and count their requests again. */
const newSecret = (dataDir: string): string => {
  const known = [join(dataDirectory(dataDir).log, "events.db"), join(dataDir, FINGERPRINT)]
  if (known.some((file) => existsSync(file))) {
    throw new Error(
      "the secret of the pseudonyms is missing, and the event log was made with it: restore the file `secret` from a backup, or set TIDEMARK_SECRET to what it was",
    )
  }
  return randomBytes(32).toString("base64url")
}

/** Tells one secret from another without giving it away: slow to compute on purpose, as secrets may be short. */
const fingerprint = (secret: string): string => scryptSync(secret, "tidemark", 16).toString("hex")

/** With another secret than the log was made with, every client would be a stranger. */
const checkSecret = (dataDir: string, secret: string): void => {
  const found = fingerprint(secret)
  if (keep(dataDir, FINGERPRINT, () => found).value === found) return
  throw new Error(
    "this is not the secret of the pseudonyms that this data directory was made with: set TIDEMARK_SECRET to what it was",
  )
}

const discard = (dataDir: string): Effect.Effect<never, SecretsUnreadable> =>
  Effect.sync(() => {
    for (const name of ["secret", FINGERPRINT]) rmSync(join(dataDir, name), { force: true })
  }).pipe(
    Effect.zipRight(
      new SecretsUnreadable({
        file: join(dataDir, "secret"),
        reason:
          "the event log has events, which were made with another secret: restore the file `secret` from a backup, or set TIDEMARK_SECRET to what it was",
      }),
    ),
  )

/**
 * The administrator's key and the secret of the pseudonyms: from the environment, else kept in the data
 * directory, readable by its owner only.
 */
export const loadSecrets = (settings: RuntimeSettings): Effect.Effect<Secrets, SecretsUnreadable> => {
  const adminKeyFile = join(settings.dataDir, "admin.key")
  return Effect.try({
    try: () => {
      mkdirSync(settings.dataDir, { recursive: true, mode: 0o700 })
      const kept = (name: string, given: Option.Option<Redacted.Redacted>, make: () => string) =>
        Option.match(given, {
          onSome: (value) => ({ value, isNew: false }),
          onNone: () => {
            const made = keep(settings.dataDir, name, make)
            return { value: Redacted.make(made.value), isNew: made.isNew }
          },
        })
      const admin = kept("admin.key", settings.adminKey, () => `tma_${randomBytes(24).toString("base64url")}`)
      const secret = kept("secret", settings.secret, () => newSecret(settings.dataDir))
      checkSecret(settings.dataDir, Redacted.value(secret.value))
      return {
        adminKey: admin.value,
        secret: secret.value,
        secretIsNew: secret.isNew,
        discard: discard(settings.dataDir),
        adminKeyIsNew: admin.isNew,
        adminKeyFile,
      }
    },
    catch: (cause) =>
      new SecretsUnreadable({
        file: settings.dataDir,
        reason: cause instanceof Error ? cause.message : String(cause),
      }),
  })
}
