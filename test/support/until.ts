/** Polls until the condition holds; fails with what was awaited when the deadline passes. */
export const until = async (
  what: string,
  deadlineMs: number,
  condition: () => boolean | Promise<boolean>,
  everyMs = 20,
): Promise<void> => {
  const deadline = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
