import Bowser from "bowser"
import { Cache } from "./Cache.js"

/** What a user agent says, in the names that are stored; what is not known is missing. */
export interface Agent {
  readonly browser?: string
  readonly os?: string
  readonly device?: string
}

/** Shorter names for products whose full name is not what people say. */
const browserNames: Readonly<Record<string, string>> = {
  "Microsoft Edge": "Edge",
  "Samsung Internet for Android": "Samsung Internet",
  "Opera Touch": "Opera",
  "Opera Mini": "Opera Mini",
}

/** Where it does not know the product, the parser gives a piece of the agent, which may be personal. */
const browsers = new Set<string>(Object.values(Bowser.BROWSER_MAP))
const systems = new Set<string>(Object.values(Bowser.OS_MAP))

/** What lies beyond says nothing new, and parsing costs time for every character. */
const READ = 512

/** Parsing takes 14 us and more; a site sees the same few thousand agents all the time. */
const agents = new Cache<Agent>(4_096)

const parse = (userAgent: string): Agent => {
  const { browser, os, platform } = Bowser.parse(userAgent)
  const agent: { -readonly [K in keyof Agent]: Agent[K] } = {}
  if (browser.name && browsers.has(browser.name)) agent.browser = browserNames[browser.name] ?? browser.name
  if (os.name && systems.has(os.name)) agent.os = os.name
  if (platform.type) agent.device = platform.type
  return agent
}

/** Browser, operating system and kind of device; empty when nothing is recognised. */
export const agentOf = (userAgent: string): Agent => {
  const text = userAgent.length > READ ? userAgent.slice(0, READ) : userAgent
  const known = agents.get(text)
  if (known !== undefined) return known
  const agent = text === "" ? {} : parse(text)
  agents.set(text, agent)
  return agent
}
