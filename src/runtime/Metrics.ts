import type { IncomingMessage, ServerResponse } from "node:http"
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client"

/** A figure to show: looked up when somebody asks, so that counting costs the hot paths nothing extra. */
export interface Figure {
  readonly name: string
  readonly help: string
  readonly kind: "counter" | "gauge"
  readonly label?: string
  /** One number, or with a label one for each of its values. */
  readonly read: () => number | Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>
}

const register = (registry: Registry, figure: Figure): void => {
  const labelNames = figure.label === undefined ? [] : [figure.label]
  const options = { name: `tidemark_${figure.name}`, help: figure.help, labelNames, registers: [registry] }
  const values = async (): Promise<ReadonlyArray<readonly [Record<string, string>, number]>> => {
    const read = await figure.read()
    if (typeof read === "number") return [[{}, read]]
    return Object.entries(read).map(([value, amount]) => [{ [figure.label as string]: value }, amount])
  }
  if (figure.kind === "gauge") {
    new Gauge({
      ...options,
      async collect() {
        this.reset()
        for (const [labels, amount] of await values()) this.set(labels, amount)
      },
    })
    return
  }
  new Counter({
    ...options,
    async collect() {
      this.reset()
      for (const [labels, amount] of await values()) this.inc(labels, amount)
    },
  })
}

/** The handler of `GET /metrics`, in the text format of Prometheus. */
export const metricsHandler = (figures: ReadonlyArray<Figure>) => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const figure of figures) register(registry, figure)
  return (req: IncomingMessage, res: ServerResponse, onFault: (cause: unknown) => void): void => {
    req.resume()
    registry.metrics().then(
      (text) => {
        res.writeHead(200, {
          "content-type": registry.contentType,
          "content-length": Buffer.byteLength(text),
        })
        res.end(text)
      },
      (cause: unknown) => {
        onFault(cause)
        res.writeHead(500, { "content-type": "text/plain" })
        res.end("the metrics could not be collected: the log of this process says why\n")
      },
    )
  }
}
