import { Http } from "../client/Http.js"

export interface BuildShown {
  readonly id: string
  /** Null: of all. */
  readonly merchantId: string | null
  readonly definition: string
  readonly state: string
  readonly position: string
  readonly head: string
  readonly lagMs: number
  readonly eventsPerSecond: number
  readonly progress: number
  readonly etaSeconds: number | null
  readonly isDeployed: boolean
  readonly isCodeChanged: boolean
  readonly deadLetters: number
  readonly failure: string | null
}

export interface ActShown {
  readonly by: string
  readonly at: string
  readonly what: string
}

export interface ProjectionShown {
  readonly name: string
  readonly paused: boolean
  readonly pausedBy: ActShown | null
  readonly lastCommand: ActShown | null
  readonly serving: { readonly id: string }
  readonly building: { readonly id: string } | null
  readonly builds: ReadonlyArray<BuildShown>
}

const act = "{ by at what }"
const PROJECTION = `name paused pausedBy ${act} lastCommand ${act} serving { id } building { id }
  builds { id merchantId definition state position head lagMs eventsPerSecond progress etaSeconds isDeployed isCodeChanged deadLetters failure }`

/** What the server said against it. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** Tidemark's GraphQL API, as far as projections go. */
export class Client {
  private readonly http: Http

  constructor(
    readonly url: string,
    key: string,
    timeoutMs: number,
  ) {
    this.http = new Http(url, key, timeoutMs)
  }

  close(): void {
    this.http.close()
  }

  async ask<A>(query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<A> {
    const { status, body } = await this.http
      .post("/graphql", "application/json", JSON.stringify({ query, variables }))
      .catch((cause: unknown) => {
        throw new Error(
          `${this.url} can't be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
        )
      })
    let answer: { data?: A; errors?: ReadonlyArray<{ message: string; extensions?: { code?: string } }> }
    try {
      answer = JSON.parse(body)
    } catch {
      throw new Error(`${this.url} does not answer as Tidemark does (status ${status})`)
    }
    const [error] = answer.errors ?? []
    if (error !== undefined) throw new Refused(error.extensions?.code ?? "ERROR", error.message)
    if (answer.data === undefined) throw new Error(`${this.url} answered with status ${status}`)
    return answer.data
  }

  async list(): Promise<ReadonlyArray<ProjectionShown>> {
    return (
      await this.ask<{ projections: ReadonlyArray<ProjectionShown> }>(`{ projections { ${PROJECTION} } }`)
    ).projections
  }

  async find(name: string): Promise<ProjectionShown> {
    const { projection } = await this.ask<{ projection: ProjectionShown | null }>(
      `query ($name: String!) { projection(name: $name) { ${PROJECTION} } }`,
      { name },
    )
    if (projection === null) throw new Refused("PROJECTION_UNKNOWN", `there is no projection "${name}"`)
    return projection
  }

  /** Sends a mutation that answers with a projection. */
  async command(
    mutation: string,
    args: Readonly<Record<string, { readonly type: string; readonly value: unknown }>>,
  ): Promise<ProjectionShown> {
    const given = Object.entries(args)
    const declared = given.map(([name, { type }]) => `$${name}: ${type}`).join(", ")
    const passed = given.map(([name]) => `${name}: $${name}`).join(", ")
    const { payload } = await this.ask<{
      payload: {
        projection: ProjectionShown | null
        userErrors: ReadonlyArray<{ code: string; message: string }>
      }
    }>(
      `mutation (${declared}) { payload: ${mutation}(${passed}) { projection { ${PROJECTION} } userErrors { code message } } }`,
      Object.fromEntries(given.map(([name, { value }]) => [name, value])),
    )
    const [error] = payload.userErrors
    if (error !== undefined) throw new Refused(error.code, error.message)
    if (payload.projection === null) throw new Refused("PROJECTION_UNKNOWN", "there is no such projection")
    return payload.projection
  }
}
