import { InvalidArgumentError } from "commander"

/** Exit code of a command that could not do what it was asked for. */
export const FAILED = 2

/** A parser of whole numbers from `least` to `most`. */
export const whole =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() === "" || !Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    }
    return value
  }

export const positive = (text: string): number => {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError("It must be more than 0.")
  return value
}

/** Seconds, 0 included. */
export const seconds = (text: string): number => {
  const value = Number(text)
  if (text.trim() === "" || !(value >= 0) || !Number.isFinite(value)) {
    throw new InvalidArgumentError("It must be 0 or more.")
  }
  return value
}

/** Says what went wrong in one line; what was not foreseen keeps its stack. */
export const guarded =
  <A extends ReadonlyArray<unknown>>(action: (...args: A) => Promise<void>) =>
  async (...args: A): Promise<void> => {
    try {
      await action(...args)
    } catch (cause) {
      const unforeseen =
        !(cause instanceof Error) || cause instanceof TypeError || cause instanceof RangeError
      console.error(unforeseen ? cause : cause.message)
      process.exitCode = FAILED
    }
  }
