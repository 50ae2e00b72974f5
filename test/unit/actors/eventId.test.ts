import fc from "fast-check"
import { expect, it } from "vitest"
import { eventId, streamNamespace, uuidToBytes, uuidv5Bytes } from "../../../src/domain/Ids.js"

it("the id of an event is the UUIDv5 of its stream and its id, for every id that can be sent", () => {
  const dns = uuidToBytes("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
  // The example of RFC 9562, appendix A.4.
  expect(eventId(dns, "www.example.com")).toBe("2ed6657d-e927-568b-95e1-2665a8aea6a2")
  fc.assert(
    fc.property(fc.string(), fc.string({ unit: "binary", maxLength: 260, size: "max" }), (stream, id) => {
      const namespace = streamNamespace(stream)
      expect(uuidToBytes(eventId(namespace, id))).toEqual(uuidv5Bytes(namespace, id))
    }),
  )
})
