import { setTimeout as sleep } from "node:timers/promises"
import { SingleBar } from "cli-progress"
import { type BuildShown, type Client, type ProjectionShown, Refused } from "./Client.js"
import { duration } from "./print.js"

const LOOK_MS = 500

/** The build that a command has begun, of a merchant or of all: the newest, which may serve by now. */
export const begunIn = (
  { builds, serving }: Pick<ProjectionShown, "builds" | "serving">,
  merchantId: string | null,
): string => builds.findLast((one) => one.merchantId === merchantId)?.id ?? serving.id

const leftOf = ({ etaSeconds }: BuildShown): string =>
  etaSeconds === null
    ? "time left unknown"
    : etaSeconds === 0
      ? "level"
      : `${duration(etaSeconds * 1_000)} left`

/**
 * Shows how a build comes along until it is in one of these states. A terminal gets a bar; anything else gets
 * nothing, so that what is printed afterwards stands alone.
 */
export const watchBuild = async (
  client: Client,
  name: string,
  id: string,
  states: ReadonlyArray<string>,
): Promise<BuildShown> => {
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: `${id} {bar} {percentage}% | {state} | {speed} events/s | {left}`,
        stream: process.stderr,
        barsize: 30,
      })
    : undefined
  bar?.start(1_000, 0, { state: "BUILDING", speed: "0", left: "" })
  try {
    for (;;) {
      const { builds } = await client.find(name)
      const build = builds.find((one) => one.id === id)
      if (build === undefined)
        throw new Refused("BUILD_UNKNOWN", `${id} is no more: somebody has cancelled it`)
      if (build.state === "FAILED") {
        throw new Refused(
          "BUILD_FAILED",
          `${id} has failed: ${build.failure ?? "the log of the server says why"}`,
        )
      }
      bar?.update(Math.floor(build.progress * 1_000), {
        state: build.state,
        speed: Math.round(build.eventsPerSecond).toLocaleString("en-US"),
        left: leftOf(build),
      })
      if (states.includes(build.state)) return build
      await sleep(LOOK_MS)
    }
  } finally {
    bar?.stop()
  }
}
