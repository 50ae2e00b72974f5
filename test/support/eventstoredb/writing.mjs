/** Writes at the reader's pace: done when there is room again, or nobody to write to. */
export const written = (call, response) => {
  if (call.write(response)) return undefined
  return new Promise((resolve) => {
    const events = ["drain", "cancelled", "close"]
    const done = () => {
      for (const event of events) call.removeListener(event, done)
      resolve()
    }
    for (const event of events) call.on(event, done)
  })
}
