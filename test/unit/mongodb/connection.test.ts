import { type Db, MongoClient, MongoServerSelectionError } from "mongodb"
import { afterEach, describe, expect, it } from "vitest"
import { Connection } from "../../../src/mongodb/Connection.js"
import { redacted, withDatabase } from "../../support/MongoServer.js"
import { until } from "../../support/until.js"

/** Nobody listens there. */
const NOWHERE = "mongodb://127.0.0.1:1/x"

describe("a connection to MongoDB", () => {
  let connection: Connection
  afterEach(() => connection.close())

  it("reads from the primary, whatever its text prefers: a secondary lags behind", () => {
    connection = new Connection({ url: redacted(`${NOWHERE}?readPreference=secondaryPreferred&w=1`) })
    expect(connection.db.readPreference.mode).toBe("primary")
    expect(connection.db.writeConcern?.w).toBe("majority")
  })

  it("is made anew after a look for a server that took longer than the deadline", async () => {
    connection = new Connection({
      url: redacted(`${NOWHERE}?serverSelectionTimeoutMS=600`),
      deadlineMs: 200,
    })
    const client = (db: Db): MongoClient => db.client
    const first = client(connection.db)
    const answer = first.db().command({ ping: 1 })
    await expect(connection.within("asking", answer)).rejects.toThrow("no answer within 0.2 s")
    expect(client(connection.db)).toBe(first)
    await expect(answer).rejects.toBeInstanceOf(MongoServerSelectionError)
    await until("it is another", 1_000, () => client(connection.db) !== first)
  })
})

describe("the database of a test", () => {
  const userOf = (url: string) => {
    const { credentials, dbName } = new MongoClient(url).options
    return [credentials?.username, credentials?.source, dbName]
  }

  it("is used by the user that was named, who is known elsewhere", () => {
    const h = "mongodb://root:p%2Fw@h:27017"
    expect(userOf(withDatabase(h, "test-1"))).toEqual(["root", "admin", "test-1"])
    expect(userOf(withDatabase(`${h}/`, "test-1"))).toEqual(["root", "admin", "test-1"])
    expect(userOf(withDatabase(`${h}/tidemark?tls=true`, "test-1"))).toEqual(["root", "tidemark", "test-1"])
    expect(userOf(withDatabase(`${h}/x?authSource=other`, "test-1"))).toEqual(["root", "other", "test-1"])
    expect(withDatabase("mongodb+srv://u:p@h.example.org/x", "t")).toBe("mongodb+srv://u:p@h.example.org/t")
    expect(withDatabase("mongodb://h:27017", "test-1")).toBe("mongodb://h:27017/test-1")
  })
})
