import * as Redacted from "effect/Redacted"
import type { Secrets } from "./Secrets.js"

/** What a person reads after the start: the addresses, the new key, and what to do next. */
export const welcome = (url: string, secrets: Secrets): string => {
  const key = secrets.adminKeyIsNew
    ? `
  Administrator's key, shown this once (kept in ${secrets.adminKeyFile}):
    ${Redacted.value(secrets.adminKey)}
`
    : ""
  const bearer = secrets.adminKeyIsNew ? Redacted.value(secrets.adminKey) : "KEY"
  return `
Tidemark is ready.

  Send events    POST ${url}/v1/events
  Ask            ${url}/graphql
  Health         ${url}/healthz   ${url}/readyz
  Metrics        ${url}/metrics
${key}
  Your first event:
    curl ${url}/v1/events -H 'Authorization: Bearer ${bearer}' \\
      -H 'Content-Type: application/json' \\
      -d '{"id":"order-1","type":"payment","merchantId":"m-1","amount":1250,"currency":"USD"}'

  A stream of them, as from many shops:
    npx tidemark loadgen --url ${url} --key ${bearer} --rate 100 --duration 60
${secrets.adminKeyIsNew ? "" : `\n  KEY is the administrator's key${secrets.adminKeyFile === "" ? "" : ` (${secrets.adminKeyFile}, unless TIDEMARK_ADMIN_KEY is set)`}.\n`}
`
}
