// Visits as their senders would put them: the JSON of the native API, with an address and a user agent.
const hosts = (merchantId) => `https://www.${merchantId}.example`

/** An address that belongs to the client. */
const addressOf = (client) => `203.${(client >>> 16) & 255}.${(client >>> 8) & 255}.${client & 255}`

export const sentOf = (event) => {
  const site = hosts(event.merchantId)
  const query =
    event.campaign === undefined ? "" : `?utm_source=news&utm_campaign=${event.campaign}&gclid=0123456789`
  const money =
    event.amount === undefined
      ? {}
      : { amount: event.amount, currency: event.currency, paymentMethod: event.paymentMethod }
  const points =
    event.type === "payment" ? { pointsUsed: event.pointsUsed, pointsEarned: event.pointsEarned } : {}
  const user = event.isCustomer
    ? { grade: event.grade, gender: event.gender, birthYear: event.birthYear, country: event.country }
    : { country: event.country }
  return {
    id: event.id,
    type: event.type,
    merchantId: event.merchantId,
    clientId: `c-${event.client}`,
    timestamp: event.at,
    ...money,
    ...points,
    url: `${site}${event.path}${query}`,
    ...(event.referrer === undefined ? {} : { referrer: `https://${event.referrer}/` }),
    ip: addressOf(event.client),
    userAgent: event.agent.text,
    user,
    ...(event.properties === undefined ? {} : { properties: event.properties }),
  }
}
