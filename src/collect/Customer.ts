import { Rejection } from "./Rejection.js"
import { isLonger, isWellFormed } from "./Text.js"

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const control = /[\u0000-\u001f\u007f]/
const country = /^[A-Za-z]{2}$/

/** A short label that becomes a dimension's value: undefined when missing or empty. */
export const parseLabel = (value: unknown, path: string, code: string): string | Rejection | undefined => {
  if (value === undefined || value === null || value === "") return undefined
  if (typeof value !== "string" || isLonger(value, 64) || control.test(value) || !isWellFormed(value)) {
    return new Rejection(code, path, `${path} must be a string of 1 to 64 characters on one line.`)
  }
  return value
}

/** What is kept of `user`. Any other field of it is dropped, because it is likely to be personal. */
export interface Customer {
  readonly grade?: string
  readonly gender?: string
  readonly ageBand?: string
  readonly country?: string
  readonly device?: string
}

/** The band of an age in whole years, as stored. */
export const ageBand = (age: number): string => {
  if (age < 18) return "0-17"
  if (age < 25) return "18-24"
  if (age >= 65) return "65+"
  const from = Math.floor((age - 25) / 10) * 10 + 25
  return `${from}-${from + 9}`
}

const parseBirthYear = (value: unknown, at: number): string | Rejection | undefined => {
  if (value === undefined || value === null) return undefined
  const year = new Date(at).getUTCFullYear()
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1850 || value > year) {
    return new Rejection(
      "INVALID_BIRTH_YEAR",
      "user.birthYear",
      "user.birthYear must be a year as a number, such as 1990, not after the event.",
    )
  }
  return ageBand(year - value)
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** @param at when the event happened, epoch ms: the age is that at this time, by calendar year */
export const parseCustomer = (value: unknown, at: number): Customer | Rejection | undefined => {
  if (value === undefined || value === null) return undefined
  if (typeof value !== "object" || Array.isArray(value)) {
    return new Rejection(
      "INVALID_USER",
      "user",
      'user must be an object, such as {"grade":"gold","country":"JP"}.',
    )
  }
  const user = value as Record<string, unknown>
  const customer: Mutable<Customer> = {}
  const grade = parseLabel(user.grade, "user.grade", "INVALID_GRADE")
  if (grade instanceof Rejection) return grade
  if (grade !== undefined) customer.grade = grade
  const gender = parseLabel(user.gender, "user.gender", "INVALID_GENDER")
  if (gender instanceof Rejection) return gender
  if (gender !== undefined) customer.gender = gender
  const band = parseBirthYear(user.birthYear, at)
  if (band instanceof Rejection) return band
  if (band !== undefined) customer.ageBand = band
  const device = parseLabel(user.device, "user.device", "INVALID_DEVICE")
  if (device instanceof Rejection) return device
  if (device !== undefined) customer.device = device.toLowerCase()
  const sent = user.country
  if (sent !== undefined && sent !== null && sent !== "") {
    if (typeof sent !== "string" || !country.test(sent)) {
      return new Rejection(
        "INVALID_COUNTRY",
        "user.country",
        'user.country must be two letters of ISO 3166-1, such as "JP".',
      )
    }
    customer.country = sent.toUpperCase()
  }
  return customer
}
